//! webhook-gateway as a process of its own, and what amoCRM sends it.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use crate::load::Posted;
use crate::place::Place;
use crate::service::Service;

/// The end of the address.
const SECRET: &str = "benchmark-of-the-gateway";
const PATH: &str = "/webhooks/amocrm/benchmark-of-the-gateway";
const FORM: &str = "application/x-www-form-urlencoded";
/// Signs deliveries that are worth nothing.
const SIGNING_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Leads of a body that tells of many.
pub(super) const MANY: u32 = 50;

/// A system behind the gateway.
pub(super) struct Wanted {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) events: &'static str,
    pub(super) concurrency: u32,
}

/// Starts it. What it subscribes is written into a file of this run.
pub(super) fn gateway(place: &Place, database: &str, wanted: &[Wanted]) -> anyhow::Result<Service> {
    let mut text = String::new();
    for one in wanted {
        writeln!(
            text,
            "[[subscriber]]\nname = \"{}\"\nurl = \"http://{}/hook\"\nevents = [\"{}\"]\nsecret = \"{SIGNING_SECRET}\"\n\
             concurrency = {}\nallow_private = true\n",
            one.name, one.address, one.events, one.concurrency
        )?;
    }
    let file = place.file("gateway.toml");
    fs::write(&file, text)?;
    let file = file.display().to_string();
    let settings = [
        ("GATEWAY_FILE", file.as_str()),
        ("GATEWAY_WEBHOOK_SECRET", SECRET),
        ("GATEWAY_WATCH_MINUTES", "0"),
    ];
    Service::start("webhook-gateway", database, &settings)
}

/// A deal that changed its stage: a body such as amoCRM sends most.
pub(super) fn status(number: u32) -> Posted {
    let mut body = account();
    lead(&mut body, "status", 0, number);
    posted(body)
}

/// A body with [`MANY`] deals, to fill a queue.
pub(super) fn updates(number: u32) -> Posted {
    let mut body = account();
    for index in 0..MANY {
        lead(&mut body, "update", index, number * MANY + index);
    }
    posted(body)
}

fn posted(body: String) -> Posted {
    Posted {
        path: PATH,
        content_type: FORM,
        body,
    }
}

fn account() -> String {
    "account%5Bsubdomain%5D=acme-demo&account%5Bid%5D=31000001\
     &account%5B_links%5D%5Bself%5D=https%3A%2F%2Facme-demo.amocrm.ru"
        .to_owned()
}

fn lead(body: &mut String, action: &str, index: u32, number: u32) {
    let (id, at) = (40_000_000 + number, 1_769_000_000 + number);
    for (field, value) in [
        ("id", id.to_string().as_str()),
        (
            "name",
            "%D0%92%D0%B8%D0%BB%D0%BB%D0%B0+%D1%83+%D0%BC%D0%BE%D1%80%D1%8F",
        ),
        ("status_id", "60000011"),
        ("old_status_id", "60000001"),
        ("price", "185000"),
        ("responsible_user_id", "9000001"),
        ("modified_user_id", "9000001"),
        ("pipeline_id", "7000001"),
        ("account_id", "31000001"),
        ("created_at", "1768990000"),
        ("updated_at", at.to_string().as_str()),
    ] {
        // A text grows by what is written; nothing can fail.
        let _ = write!(
            body,
            "&leads%5B{action}%5D%5B{index}%5D%5B{field}%5D={value}"
        );
    }
}
