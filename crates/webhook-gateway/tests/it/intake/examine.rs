//! `webhook-gateway doctor`: what is wrong, and what to do about it.

use amocrm_emulator::Emulator;
use webhook_gateway::{Subscribe, doctor};

use super::world::{Place, SECRET, World};

async fn examine(world: &World) -> (bool, String) {
    let mut out = Vec::new();
    let config = world.app.config().clone();
    let report = doctor::run(config, doctor::Arguments::default(), &mut out)
        .await
        .unwrap();
    (report.is_well(), String::from_utf8(out).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_wrong_until_all_is_well() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    let (is_well, said) = examine(&world).await;
    assert!(!is_well);
    for expected in [
        "✔ configuration",
        "✔ database",
        "amoCRM is not configured",
        "not looked at, because of «connection»",
        "answers (asked from this machine)",
        "there are none: webhooks are kept and go to nobody",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    world.stop().await;

    let emulator = Emulator::builder().rate_limit(None).start().await.unwrap();
    let (base, token) = (emulator.base_url().to_owned(), emulator.long_lived_token());
    let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = place.write(
        "gateway.toml",
        &format!(
            "[[subscriber]]\nname = \"log\"\nstdout = true\n\n[[subscriber]]\nname = \"erp\"\n\
             url = \"http://{}/hooks\"\nallow_private = true\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n",
            receiver.local_addr().unwrap()
        ),
    );
    let settings = [
        ("GATEWAY_WEBHOOK_SECRET", SECRET),
        ("AMOCRM_BASE_URL", base.as_str()),
        ("AMOCRM_ACCESS_TOKEN", token.as_str()),
        ("GATEWAY_FILE", file.as_str()),
    ];
    let world = World::start_with(&place, &settings).await;
    let (is_well, said) = examine(&world).await;
    assert!(
        !is_well && said.contains("→ run `webhook-gateway subscribe`"),
        "{said}"
    );
    world
        .app
        .subscribe(&Subscribe::default(), &mut Vec::new())
        .await
        .unwrap();
    let (is_well, said) = examine(&world).await;
    assert!(is_well, "{said}");
    assert!(
        said.contains("amoCRM sends") && said.contains("erp: 127.0.0.1:"),
        "{said}"
    );
    drop(receiver);
    let (is_well, said) = examine(&world).await;
    assert!(
        !is_well && said.contains("cannot be connected to"),
        "{said}"
    );
    assert!(!said.contains(SECRET) && !said.contains("whsec_"), "{said}");
    world.stop().await;
}
