//! Receivers that mean no good, and names that lead elsewhere.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use service_kit::egress::SystemLookup;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

/// What a listener does with a connection after it has read the request.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Says this and closes.
    Say(&'static [u8]),
    /// Says this, then a byte each 20 ms, for ever.
    Trickle(&'static [u8]),
    /// Says this, then pours for ever.
    Pour(&'static [u8]),
    /// Says this and keeps the connection open.
    Keep(&'static [u8]),
}

/// A listener, and how many connections it has seen.
struct Listener {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Listener {
    async fn start(ip: &str, port: u16, manner: Manner) -> Self {
        Self::try_start(ip, port, manner).await.unwrap()
    }

    async fn try_start(ip: &str, port: u16, manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((ip, port)).await?;
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, manner));
            }
        });
        Ok(Self {
            address,
            connections,
        })
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, manner: Manner) -> io::Result<()> {
    let mut request = vec![0; 4_096];
    let _ = stream.read(&mut request).await?;
    match manner {
        Manner::Say(bytes) => stream.write_all(bytes).await?,
        Manner::Trickle(bytes) => {
            stream.write_all(bytes).await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Manner::Pour(bytes) => {
            stream.write_all(bytes).await?;
            loop {
                stream.write_all(&[b'y'; 4_096]).await?;
            }
        }
        Manner::Keep(bytes) => {
            stream.write_all(bytes).await?;
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

fn message() -> Message {
    Message {
        id: "evt_1".to_owned(),
        account: "acme".to_owned(),
        kind: "leads.status".to_owned(),
        body: "{}".into(),
    }
}

fn endpoint(url: &str, allow_private: bool) -> Endpoint {
    Endpoint {
        url: Url::parse(url).unwrap(),
        allow_private,
        headers: Vec::new(),
        keys: None,
    }
}

async fn send(sink: &HttpSink, endpoint: &Endpoint, timeout_ms: u64) -> Reply {
    let limits = Limits {
        timeout: Duration::from_millis(timeout_ms),
        trust_ends: Instant::now() + Duration::from_mins(1),
    };
    let now = DateTime::from_timestamp(1_795_219_200, 0).unwrap();
    sink.send(endpoint, &message(), now, limits).await
}

fn open_sink() -> HttpSink {
    HttpSink::new(Guard::default(), Arc::new(SystemLookup)).unwrap()
}

#[tokio::test]
async fn the_status_is_the_answer_whatever_follows_it() {
    let sink = open_sink();
    let ok = Some(200);
    for (manner, status, excerpt) in [
        (
            Manner::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthank"),
            ok,
            Some(5),
        ),
        (
            Manner::Trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"),
            ok,
            Some(1),
        ),
        (
            Manner::Pour(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"),
            ok,
            Some(16_384),
        ),
        (
            Manner::Pour(b"HTTP/1.1 500 Oops\r\n\r\n"),
            Some(500),
            Some(16_384),
        ),
        (
            Manner::Keep(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
            ok,
            None,
        ),
        (
            Manner::Say(
                b"HTTP/1.1 204 No Content\r\nX-Odd: \xff\xfe\xd0\r\nServer: \xc3\x28\r\n\r\n",
            ),
            Some(204),
            None,
        ),
        (
            Manner::Say(
                b"HTTP/1.1 429 Slow Down\r\nRetry-After: \xff\xff\r\nContent-Length: 0\r\n\r\n",
            ),
            Some(429),
            None,
        ),
        (
            Manner::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd"),
            ok,
            None,
        ),
        (
            Manner::Say(b"\x16\x03\x01 this is no HTTP\r\n\r\n"),
            None,
            None,
        ),
        (Manner::Say(b"HTTP/1.1 abc\r\n\r\n"), None, None),
        (Manner::Say(b""), None, None),
        (Manner::Trickle(b""), None, None),
        (Manner::Trickle(b"HTTP/1.1 200 OK\r\nX-Long: "), None, None),
        (Manner::Pour(b"HTTP/1.1 200 OK\r\nX-Long: "), None, None),
        (Manner::Keep(b""), None, None),
    ] {
        let listener = Listener::start("127.0.0.1", 0, manner).await;
        let endpoint = endpoint(&format!("http://{}/", listener.address), true);
        let started = Instant::now();
        let reply = send(&sink, &endpoint, 1_500).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{manner:?}");
        let answered = match &reply.answer {
            Answer::Taken { status } => *status,
            Answer::Refused {
                status,
                retry_after,
            } => {
                assert_eq!(*retry_after, None);
                Some(*status)
            }
            Answer::Failed { .. } => None,
        };
        assert_eq!(answered, status, "{manner:?}: {reply:?}");
        let length = reply.excerpt.as_ref().map(String::len);
        match excerpt {
            Some(least) => assert!(length >= Some(least), "{manner:?}: {length:?}"),
            None => assert_eq!(reply.excerpt, None, "{manner:?}"),
        }
        assert!(length <= Some(16_384));
    }
}

#[tokio::test]
async fn failures_are_told_in_words_without_the_address() {
    let sink = open_sink();
    let plain = Listener::start("127.0.0.1", 0, Manner::Say(b"HTTP/1.1 200 OK\r\n\r\n")).await;
    // Bound, so that nobody else gets the port, and not listening.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refusing = closed.local_addr().unwrap();
    for (url, expected) in [
        (format!("http://{refusing}/canary"), "onnection refused"),
        (
            format!("https://{}/canary?canary", plain.address),
            "no connection",
        ),
    ] {
        let reply = send(&sink, &endpoint(&url, true), 8_000).await;
        let Answer::Failed { reason } = reply.answer else {
            panic!("{reply:?}");
        };
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains("canary"), "{reason}");
    }
}

/// A name whose addresses change each time it is asked for.
#[derive(Debug)]
struct Fickle(Mutex<VecDeque<Vec<&'static str>>>);

impl Lookup for Fickle {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let addresses = self.0.lock().unwrap().pop_front();
        Box::pin(async move {
            let addresses = addresses.ok_or(io::ErrorKind::NotFound)?;
            Ok(addresses.iter().map(|ip| ip.parse().unwrap()).collect())
        })
    }
}

#[tokio::test]
async fn a_name_that_becomes_private_gets_no_packet() {
    const OK: Manner = Manner::Say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    // 127.0.0.2 plays the internet.
    let (public, private) = loop {
        let public = Listener::start("127.0.0.2", 0, OK).await;
        // What is free there need not be free here.
        if let Ok(private) = Listener::try_start("127.0.0.1", public.address.port(), OK).await {
            break (public, private);
        }
    };
    let port = public.address.port();
    let guard = Guard::new(vec!["127.0.0.2/32".parse().unwrap()], vec![port]);
    let answers = [
        vec!["127.0.0.2"],
        vec!["127.0.0.1"],
        // Which of several would be tried first is not left to luck.
        vec!["127.0.0.2", "127.0.0.1"],
        vec!["::1", "127.0.0.2"],
        vec!["127.0.0.2", "::ffff:127.0.0.1"],
        vec![],
        vec!["127.0.0.2"],
    ];
    let lookup = Fickle(Mutex::new(answers.into()));
    let sink = HttpSink::new(guard, Arc::new(lookup)).unwrap();
    let endpoint = endpoint(&format!("http://rebinding.example:{port}/"), false);
    let mut outcomes = Vec::new();
    for _ in 0..7 {
        let reply = send(&sink, &endpoint, 5_000).await;
        outcomes.push(match reply.answer {
            Answer::Taken { .. } => "taken",
            Answer::Failed { reason } if reason.contains("loopback address is refused") => {
                "refused"
            }
            _ => "failed",
        });
    }
    assert_eq!(
        outcomes,
        [
            "taken", "refused", "refused", "refused", "refused", "failed", "taken"
        ]
    );
    assert_eq!(public.connections(), 2);
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_connection_made_by_permission_serves_nobody_else() {
    let listener = Listener::start(
        "127.0.0.1",
        0,
        Manner::Keep(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    )
    .await;
    let sink = open_sink();
    let url = format!("http://{}/", listener.address);
    let allowed = send(&sink, &endpoint(&url, true), 5_000).await;
    assert!(matches!(allowed.answer, Answer::Taken { .. }));
    let forbidden = send(&sink, &endpoint(&url, false), 5_000).await;
    assert!(matches!(forbidden.answer, Answer::Failed { .. }));
    assert_eq!(listener.connections(), 1);
}

#[tokio::test]
async fn nothing_is_sent_once_the_claim_may_be_anothers() {
    let listener = Listener::start("127.0.0.1", 0, Manner::Keep(b"")).await;
    let endpoint = endpoint(&format!("http://{}/", listener.address), true);
    let limits = Limits {
        timeout: Duration::from_secs(5),
        trust_ends: Instant::now(),
    };
    let now = DateTime::from_timestamp(1_795_219_200, 0).unwrap();
    let reply = open_sink().send(&endpoint, &message(), now, limits).await;
    assert!(matches!(reply.answer, Answer::Failed { .. }));
    assert_eq!(listener.connections(), 0);
}
