//! An account gets another name.

use amocrm_emulator::Fault;
use serde_json::Value;

use crate::harness::{LEAD, TestApp, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_host_is_kept_for_the_next_start() {
    let app = TestApp::ready().await;
    let account = app.get("/api/auth/amo/status").await.json()["account"].clone();
    let account = account.as_str().unwrap().to_owned();
    app.submit(LEAD).await;
    app.crm.emulator.rename_account("renamed").unwrap();
    // The old host no longer knows the account, which is how a rename shows.
    let fault = Fault::html_error(404).path("/oauth2/access_token").times(1);
    app.crm.emulator.fault(fault);
    let renewed = app.post("/api/auth/amo/refresh").await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    let key = format!("amocrm.host/{account}");
    let host = eventually("the host is stored", || async {
        let meta = app.app.store().meta();
        meta.get::<Value>(&key).await.unwrap()
    })
    .await;
    assert_eq!(host, "renamed.amocrm.ru");
    let (crm, database) = app.stop().await;
    // Everything of ours is under the first name still: nobody has to connect again, and the lead is known.
    let app = TestApp::again(crm, database, &[]).await;
    let status = app.get("/api/auth/amo/status").await.json();
    assert_eq!(
        (&status["connected"], status["account"].as_str()),
        (&Value::Bool(true), Some(account.as_str()))
    );
    assert_eq!(app.get("/api/leads/1/amo").await.status, 200);
}
