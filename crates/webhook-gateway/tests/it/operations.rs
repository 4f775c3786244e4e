//! What operators and their tools ask.

use service_kit::clock::SystemClock;
use service_kit::config::Environment;
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use webhook_gateway::{App, Config};

#[tokio::test]
async fn the_service_answers_its_operators() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/gateway.db", folder.path().display());
    let config = Config::load(Environment::from_pairs([("DATABASE_URL", &*url)]), None).unwrap();
    assert_eq!(config.server.port, 8002);
    let store = Store::open(&config.database.to_secret(), store::Options::new())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let app = App::with_store(config, store, SystemClock::shared());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn({
        let (app, shutdown) = (app.clone(), shutdown.clone());
        async move { app.run_on(listener, shutdown).await }
    });
    for path in [
        "/health",
        "/health/live",
        "/metrics",
        "/docs/",
        "/openapi.json",
        "/",
    ] {
        let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    shutdown.cancel();
    server.await.unwrap().unwrap();
}
