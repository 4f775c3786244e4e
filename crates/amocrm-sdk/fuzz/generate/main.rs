//! `generate RUNS [SEED]`: bodies grown from the fixtures, without a nightly compiler. Ends with one line of figures, and with
//! status 0 only if no body broke a law. A body that does is printed in hexadecimal.

#[path = "../laws/mod.rs"]
mod laws;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fastrand::Rng;

/// What brackets, keys and values are made of, beside the fixtures.
const PARTS: [&str; 40] = [
    "leads", "contacts", "companies", "task", "unsorted", "catalogs", "message", "talk", "customers", "add", "update",
    "delete", "status", "note", "account", "event", "[0]", "[", "]", "[]", "[][", "[999999999]", "[18446744073709551616]",
    "[-1]", "[id]", "[type]", "=company", "=", "&", "&&", "%", "%5B", "%zz", "%00", "%ff", "+", "\u{44f}", "{\"", "\":[", "1e999",
];
const LONGEST: usize = 16 * 1024;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let runs: u64 = arguments.next().and_then(|runs| runs.parse().ok()).unwrap_or(1_000_000);
    let seed: u64 = arguments.next().and_then(|seed| seed.parse().ok()).unwrap_or(5);
    let fixtures = fixtures();
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let [read, events, broken, bytes] = [const { AtomicU64::new(0) }; 4];
    let started = Instant::now();
    // A panic is reported with its body, below.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (fixtures, read, events, broken, bytes) = (&fixtures, &read, &events, &broken, &bytes);
            let share = runs / threads + u64::from(thread < runs % threads);
            scope.spawn(move || {
                let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(thread));
                for _ in 0..share {
                    let body = body(&mut rng, fixtures);
                    bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
                    match catch_unwind(AssertUnwindSafe(|| laws::hold(&body))) {
                        Ok(taken) => {
                            read.fetch_add(u64::from(taken.is_read), Ordering::Relaxed);
                            events.fetch_add(taken.events, Ordering::Relaxed);
                        }
                        Err(_) => {
                            broken.fetch_add(1, Ordering::Relaxed);
                            let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
                            eprintln!("a law is broken by {hex}");
                        }
                    }
                }
            });
        }
    });
    let [read, events, broken, bytes] = [read, events, broken, bytes].map(AtomicU64::into_inner);
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "bodies={runs} read={read} refused={} events={events} megabytes={} panics={broken} seed={seed} seconds={seconds:.0} \
         bodies_per_second={:.0}",
        runs - read,
        bytes >> 20,
        runs as f64 / seconds
    );
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fixtures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/amocrm/webhooks");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures are there")
        .map(|file| file.expect("the fixtures can be listed").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a fixture can be read")).collect()
}

/// A fixture with some mishaps, parts thrown together, or noise.
fn body(rng: &mut Rng, fixtures: &[Vec<u8>]) -> Vec<u8> {
    let mut body = match rng.u8(0..20) {
        0 => (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect(),
        1..=4 => (0..rng.usize(1..40))
            .flat_map(|_| PARTS[rng.usize(0..PARTS.len())].bytes())
            .collect(),
        5 => {
            let form = &fixtures[rng.usize(0..fixtures.len())];
            amocrm_sdk::webhook::Tree::from_form(form)
                .map(|tree| serde_json::to_vec(&tree).expect("a tree is JSON"))
                .unwrap_or_default()
        }
        _ => fixtures[rng.usize(0..fixtures.len())].clone(),
    };
    for _ in 0..rng.u8(0..6) {
        harm(rng, &mut body, fixtures);
    }
    body.truncate(LONGEST);
    body
}

fn harm(rng: &mut Rng, body: &mut Vec<u8>, fixtures: &[Vec<u8>]) {
    let at = rng.usize(0..=body.len());
    match rng.u8(0..9) {
        0 => body.truncate(at),
        1 => body.insert(at, rng.u8(..)),
        2 if at < body.len() => body[at] = rng.u8(..),
        3 if at < body.len() => body[at] ^= 1 << rng.u8(0..8),
        4 => {
            let part = PARTS[rng.usize(0..PARTS.len())];
            body.splice(at..at, part.bytes());
        }
        5 => {
            // The rest of another one.
            let other = &fixtures[rng.usize(0..fixtures.len())];
            body.truncate(at);
            body.extend(&other[rng.usize(0..=other.len())..]);
        }
        6 => {
            let mut pairs: Vec<_> = body.split(|byte| *byte == b'&').map(<[u8]>::to_vec).collect();
            rng.shuffle(&mut pairs);
            *body = pairs.join(&b'&');
        }
        7 => {
            let end = (at + rng.usize(0..60)).min(body.len());
            body.drain(at..end);
        }
        _ => {
            let end = (at + rng.usize(0..60)).min(body.len());
            let again = body[at..end].repeat(rng.usize(1..30));
            body.splice(at..at, again);
        }
    }
}
