//! Row 29: what is unsafe is refused at the start, with the sentence that says what to change.

use std::path::Path;

use service_kit::config::{COMMON_VARIABLES, Environment};
use webhook_gateway::{
    Config, DASHBOARD_VARIABLES, DELIVERY_VARIABLES, ENRICHMENT_VARIABLES, GATEWAY_VARIABLES,
    RETENTION_VARIABLES,
};

use super::world::Place;

const GOOD: &str = r#"
[[account]]
name = "shop"
secret = "0123456789abcdef"
domain = "shop.amocrm.ru"
access_token_env = "SHOP_TOKEN"
events = ["add_lead", "status_lead"]

[[subscriber]]
name = "erp"
url = "https://erp.test/hooks"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
events = ["leads.*", "contacts.update"]
accounts = ["shop"]
pipelines = [7000001]
changed = ["price", "custom:PHONE"]
enrich = ["lead", "contacts"]
timeout_ms = 25000
on_failure = "skip"
skip_after = "10m"
headers = { X-Team = "a", Authorization = "Bearer ${GATEWAY_HEADER_ERP}" }

[[subscriber]]
name = "log"
stdout = true
"#;

const ENVIRONMENT: [(&str, &str); 2] = [
    ("SHOP_TOKEN", "eyJ.secret.token"),
    ("GATEWAY_HEADER_ERP", "planted-header-secret"),
];

fn load(file: &str, more: &[(&str, &str)]) -> Result<Config, String> {
    let place = Place::sqlite();
    let path = place.write("gateway.toml", file);
    let pairs = [("GATEWAY_FILE", path.as_str())];
    let pairs = pairs.iter().chain(&ENVIRONMENT).chain(more).copied();
    Config::load(Environment::from_pairs(pairs), None).map_err(|errors| errors.to_string())
}

#[test]
fn a_good_file_is_read_whole() {
    let config = load(GOOD, &[]).unwrap();
    assert_eq!(config.accounts.len(), 1);
    assert_eq!(config.accounts[0].name, "shop");
    assert_eq!(
        config.accounts[0].amocrm.domain().as_deref(),
        Some("shop.amocrm.ru")
    );
    assert!(config.accounts[0].amocrm.access_token().is_some());
    assert_eq!(config.subscribers.len(), 2);
    let erp = &config.subscribers[0];
    assert_eq!(erp.settings.timeout().as_secs(), 25);
    assert_eq!(
        erp.settings.skip_after().map(|span| span.as_secs()),
        Some(600)
    );
    let headers = erp.settings.headers(&config.environment).unwrap();
    let (_, value) = headers
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap();
    assert_eq!(value, "Bearer planted-header-secret");
    // What is not said is as it says on the tin.
    let log = &config.subscribers[1].settings;
    assert_eq!(
        (log.timeout_ms, log.concurrency, log.retry_hours),
        (15_000, 4, 76)
    );
    assert!(!log.allow_private && log.skip_after().is_none());
    for shown in [format!("{config:?}"), format!("{headers:?}")] {
        for secret in ["0123456789abcdef", "MfKQ9r8", "planted", "eyJ", "/hooks"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
    // What is stored is what is read.
    let stored = serde_json::to_value(&erp.settings).unwrap();
    assert_eq!(
        serde_json::from_value::<webhook_gateway::SubscriberSettings>(stored).unwrap(),
        erp.settings
    );
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_line_and_the_setting() {
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replacen(from, to, 1)
    };
    for (file, line, expected) in [
        (
            with("[[account]]", "[[acount]]"),
            2,
            "`acount`: there are only [[account]] and [[subscriber]]",
        ),
        (
            with("[[account]]", "[account]"),
            2,
            "expected [[account]], with two brackets",
        ),
        (
            with("secret = \"0123456789abcdef\"", ""),
            2,
            "account «shop»: secret: is missing",
        ),
        (
            with("0123456789abcdef", "0123456789"),
            4,
            "account «shop»: secret: the value is shorter than 16 characters",
        ),
        (
            with("0123456789abcdef", "0123456789abcdef/x"),
            4,
            "has other characters than",
        ),
        (
            with("\"0123456789abcdef\"", "1234567890123456789"),
            4,
            "secret: the value has the wrong type",
        ),
        (
            with("SHOP_TOKEN", "NO_TOKEN"),
            6,
            "access_token_env: the variable NO_TOKEN is unset",
        ),
        (
            with("access_token_env", "acces_token"),
            6,
            "account «shop»: acces_token: unknown field",
        ),
        (
            with("domain = \"shop.amocrm.ru\"", ""),
            2,
            "account «shop»: domain: is unset",
        ),
        (
            with("\"add_lead\"", "\"add_led\""),
            7,
            "`add_led` is no event of amoCRM",
        ),
        (
            with("name = \"erp\"", "name = \"e r p\""),
            10,
            "subscriber 1: name: expected 1 to 64 letters",
        ),
        (
            with("name = \"erp\"", ""),
            9,
            "subscriber 1: name: is missing",
        ),
        (
            with("https://erp.test", "ftp://erp.test"),
            11,
            "subscriber «erp»: url: expected an http(s) address",
        ),
        (
            with("https://erp.test", "http://user:pass@erp.test"),
            11,
            "without a user, password",
        ),
        (
            with("erp.test", "127.0.0.1"),
            11,
            "url: leads to this machine or a private network",
        ),
        (
            with("erp.test", "[::ffff:10.0.0.1]"),
            11,
            "set allow_private = true",
        ),
        (
            with("erp.test", "localhost:3000"),
            11,
            "set allow_private = true",
        ),
        (
            with("url = \"https://erp.test/hooks\"", ""),
            9,
            "url: expected exactly one of url, nats and stdout",
        ),
        (
            with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short"),
            12,
            "secret: the value is no such key",
        ),
        (
            with("secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", ""),
            9,
            "subscriber «erp»: secret: is missing",
        ),
        (
            with("\"leads.*\"", "\"Leads\""),
            13,
            "events.0: expected entity.action",
        ),
        (
            with("accounts = [\"shop\"]", "accounts = [\"shap\"]"),
            14,
            "accounts.0: there is no account of this name",
        ),
        (
            with("[7000001]", "[\"seven\"]"),
            15,
            "pipelines[0]: invalid type",
        ),
        (
            with("custom:PHONE", "custom:"),
            16,
            "changed.1: expected a field",
        ),
        (
            with("\"contacts\"]", "\"rockets\"]"),
            17,
            "unknown variant `rockets`",
        ),
        (
            with("timeout_ms = 25000", "timeout_ms = 25001"),
            18,
            "raise GATEWAY_LEASE_MS to at least timeout_ms + GATEWAY_ENRICH_TIMEOUT_MS + 15000",
        ),
        (
            with("on_failure = \"skip\"", "on_failure = \"block\""),
            20,
            "skip_after: only with on_failure = \"skip\"",
        ),
        (
            with("skip_after = \"10m\"", "skip_after = \"soon\""),
            20,
            "skip_after: expected a length of time",
        ),
        (
            with("Bearer ${GATEWAY_HEADER_ERP}", "Bearer planted-token"),
            21,
            "headers.Authorization: holds a secret",
        ),
        (
            with("GATEWAY_HEADER_ERP", "ENCRYPTION_KEY"),
            21,
            "does not begin with GATEWAY_HEADER_",
        ),
        (
            with("GATEWAY_HEADER_ERP", "GATEWAY_HEADER_NONE"),
            21,
            "GATEWAY_HEADER_NONE is unset",
        ),
        (
            with("X-Team", "Webhook-Id"),
            21,
            "headers.Webhook-Id: is set by the gateway itself",
        ),
        (
            with("name = \"log\"", "name = \"erp\""),
            24,
            "there are two subscribers of this name",
        ),
        (
            with("stdout = true", "nats = \"amocrm\""),
            25,
            "nats: NATS_URL is unset",
        ),
        (
            format!("{GOOD}\n[[account]]\nname = \"shop\"\nsecret = \"fedcba9876543210\"\n"),
            28,
            "two accounts of this name",
        ),
        (
            format!("{GOOD}\n[[account]]\nname = \"two\"\nsecret = \"0123456789abcdef\"\n"),
            29,
            "the same as another account's",
        ),
        (with("stdout = true", "stdout = maybe"), 25, "line 25"),
    ] {
        let errors = load(&file, &[]).unwrap_err();
        let told = errors.lines().any(|told| {
            told.contains(expected) && told.contains(&format!("gateway.toml, line {line}:"))
        });
        assert!(told, "line {line}: {expected}\n{errors}");
        for secret in ["planted", "0123456789abcdef", "eyJ.", "user:pass", "whsec_"] {
            let is_advice = secret == "whsec_" && errors.contains("whsec_ and the Base64")
                || errors.contains("echo whsec_");
            assert!(is_advice || !errors.contains(secret), "{secret}: {errors}");
        }
    }
}

#[test]
fn unsafe_combinations_do_not_start() {
    for (more, expected) in [
        (
            ("SERVER_HOST", "0.0.0.0"),
            "ADMIN_TOKEN: is unset while SERVER_HOST=0.0.0.0 lets other machines in",
        ),
        (
            ("GATEWAY_WEBHOOK_SECRET", "fedcba9876543210"),
            "GATEWAY_WEBHOOK_SECRET: is set beside [[account]]",
        ),
        (
            ("ADMIN_TOKEN", "0123456789abcdef"),
            "the secret of the account shop is the same as ADMIN_TOKEN",
        ),
        (("GATEWAY_LEASE_MS", "20000"), "raise GATEWAY_LEASE_MS"),
        (
            ("GATEWAY_LEASE_MS", "1000"),
            "GATEWAY_LEASE_MS: `1000` is not between",
        ),
        (
            ("GATEWAY_DEDUP_WINDOW", "1h"),
            "GATEWAY_DEDUP_WINDOW: `1h` is not between 2h, within which amoCRM repeats, and 90d",
        ),
        (
            ("GATEWAY_DEDUP_WINDOW", "week"),
            "GATEWAY_DEDUP_WINDOW: `week` is no length of time",
        ),
        (
            ("GATEWAY_EVENTS", "add_led"),
            "GATEWAY_EVENTS: `add_led` is no event of amoCRM",
        ),
        (
            ("GATEWAY_FILE", "/nowhere/gateway.toml"),
            "GATEWAY_FILE: /nowhere/gateway.toml cannot be read",
        ),
    ] {
        let errors = load(GOOD, &[more]).unwrap_err();
        assert!(errors.contains(expected), "{more:?}: {errors}");
    }
    for secret in [
        "tiny-one",
        "with space in the middle",
        "привет-привет-привет",
    ] {
        let pairs = [("GATEWAY_WEBHOOK_SECRET", secret)];
        let errors = Config::load(Environment::from_pairs(pairs), None)
            .unwrap_err()
            .to_string();
        assert!(
            errors.contains("GATEWAY_WEBHOOK_SECRET: the value") && !errors.contains(secret),
            "{errors}"
        );
    }
}

#[test]
fn the_guides_name_every_variable() {
    for file in ["docs/configuration.md", "docs/configuration.ru.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(file);
        let text = std::fs::read_to_string(path).unwrap();
        for variable in COMMON_VARIABLES
            .iter()
            .chain(GATEWAY_VARIABLES)
            .chain(DELIVERY_VARIABLES)
            .chain(ENRICHMENT_VARIABLES)
            .chain(RETENTION_VARIABLES)
            .chain(DASHBOARD_VARIABLES)
        {
            let name = format!("`{}`", variable.name);
            assert!(text.contains(&name), "{name} is not in {file}");
        }
    }
}
