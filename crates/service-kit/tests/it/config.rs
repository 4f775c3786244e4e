use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;
use service_kit::config::{
    AmocrmConfig, COMMON_VARIABLES, DEFAULT_TOML, DatabaseConfig, DatabaseUrl, Environment,
    EventsConfig, Loader, LogConfig, LogFormat, SecurityConfig, ServerConfig,
};

/// Reads every common section; gives them or the text of what is wrong.
fn read(
    pairs: &[(&str, &str)],
) -> Result<
    (
        ServerConfig,
        DatabaseConfig,
        AmocrmConfig,
        SecurityConfig,
        LogConfig,
    ),
    String,
> {
    let settings = Loader::new(Environment::from_pairs(pairs.iter().copied()))
        .load()
        .map_err(|errors| errors.to_string())?;
    let mut problems = settings.problems();
    let server: ServerConfig = settings.section(&mut problems);
    let database = settings.section(&mut problems);
    let amocrm = settings.section(&mut problems);
    let security = settings.section(&mut problems);
    let log = settings.section(&mut problems);
    let _: EventsConfig = settings.section(&mut problems);
    server.check_exposure(&security, &mut problems);
    problems
        .into_result()
        .map_err(|errors| errors.to_string())?;
    Ok((server, database, amocrm, security, log))
}

#[test]
fn nothing_set_is_a_development_machine() {
    let (server, database, amocrm, security, log) = read(&[]).unwrap();
    assert_eq!(server.address(), "127.0.0.1:8000");
    assert!(server.is_loopback());
    assert_eq!(
        database.url().unwrap().to_string(),
        "sqlite://var/service.db"
    );
    assert!(amocrm.credentials().is_none() && amocrm.domain().is_none());
    assert!(security.admin_token.is_none());
    assert_eq!(log.format(), LogFormat::Text);
}

#[test]
fn the_environment_wins_over_the_file_and_empty_is_unset() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "[server]\nport = 9000\nhost = \"\"\n[amocrm]\ndomain = \"file\"\n",
    )
    .unwrap();
    let path = file.path().display().to_string();
    let (server, _, amocrm, _, log) = read(&[
        ("CONFIG_FILE", &path),
        ("AMOCRM_DOMAIN", ""),
        ("AMOCRM_SUBDOMAIN", "acme"),
        ("LOG_FORMAT", "json"),
    ])
    .unwrap();
    assert_eq!(server.address(), "127.0.0.1:9000");
    assert_eq!(amocrm.domain().as_deref(), Some("acme.amocrm.ru"));
    assert_eq!(log.format(), LogFormat::Json);
}

#[test]
fn every_problem_is_told_at_once_with_name_wrong_expected_and_example() {
    let text = read(&[
        ("SERVER_PORT", "eighty"),
        ("DATABASE_URL", "mysql://root:hunter2secret@db/x"),
        ("AMOCRM_CLIENT_ID", "11111111-2222-4333-8444-555555555555"),
        ("ADMIN_TOKEN", "shortcanary"),
        ("ENCRYPTION_KEY", "notakeycanary"),
        ("LOG_FORMAT", "xml"),
    ])
    .unwrap_err();
    for expected in [
        "SERVER_PORT: found string \"eighty\"; expected a port from 0 to 65535; example: SERVER_PORT=8000",
        "DATABASE_URL: the address is neither sqlite:// nor postgres://; expected sqlite://path or postgres",
        "AMOCRM_CLIENT_SECRET: is unset, while other keys of the integration are set",
        "AMOCRM_REDIRECT_URI: is unset",
        "ADMIN_TOKEN: the value is too short; expected at least 16 characters",
        "ENCRYPTION_KEY: the value is not Base64 of 32 bytes",
        "LOG_FORMAT: `xml` is no format; expected text or json; example: LOG_FORMAT=json",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    // What could not be read is told once, not guessed about.
    assert!(!text.contains("ADMIN_TOKEN: is unset"), "{text}");
    for secret in ["hunter2secret", "shortcanary", "notakeycanary"] {
        assert!(!text.contains(secret), "{secret} is repeated in:\n{text}");
    }
}

#[test]
fn another_address_without_a_token_is_refused() {
    let text = read(&[("SERVER_HOST", "0.0.0.0")]).unwrap_err();
    assert!(
        text.contains("ADMIN_TOKEN: is unset while SERVER_HOST=0.0.0.0 lets other machines in"),
        "{text}"
    );
    read(&[
        ("SERVER_HOST", "0.0.0.0"),
        ("ADMIN_TOKEN", "0123456789abcdef"),
    ])
    .unwrap();
    read(&[("SERVER_HOST", "::1")]).unwrap();
}

#[test]
fn each_role_has_a_token_of_its_own_and_none_is_without_the_administrators() {
    let (admin, other) = ("admin-token-0123456", "other-token-0123456");
    for (pairs, expected) in [
        (
            &[("VIEWER_TOKEN", other)][..],
            "VIEWER_TOKEN: is set without ADMIN_TOKEN",
        ),
        (
            &[("OPERATOR_TOKEN", other)],
            "OPERATOR_TOKEN: is set without ADMIN_TOKEN",
        ),
        (
            &[("ADMIN_TOKEN", admin), ("VIEWER_TOKEN", "shortcanary")],
            "VIEWER_TOKEN: the value is too short; expected at least 16 characters",
        ),
        (
            &[("ADMIN_TOKEN", admin), ("OPERATOR_TOKEN", admin)],
            "OPERATOR_TOKEN: is the same as ADMIN_TOKEN",
        ),
        (
            &[
                ("ADMIN_TOKEN", admin),
                ("OPERATOR_TOKEN", other),
                ("VIEWER_TOKEN", other),
            ],
            "VIEWER_TOKEN: is the same as OPERATOR_TOKEN",
        ),
    ] {
        let text = read(pairs).unwrap_err();
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
        for secret in [admin, other, "shortcanary"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    read(&[("ADMIN_TOKEN", admin), ("VIEWER_TOKEN", other)]).unwrap();
}

#[test]
fn a_misspelt_setting_of_the_file_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    std::fs::write(file.path(), "[server]\nprot = 9000\n").unwrap();
    let text = read(&[("CONFIG_FILE", &path)]).unwrap_err();
    assert!(text.contains("`prot`"), "{text}");
    std::fs::write(file.path(), "[sever]\nport = 9000\n").unwrap();
    let text = read(&[("CONFIG_FILE", &path)]).unwrap_err();
    assert!(text.contains("no section `sever`"), "{text}");
    std::fs::write(file.path(), "[server]\nport = hunter2secret = 1\n").unwrap();
    let text = read(&[("CONFIG_FILE", &path)]).unwrap_err();
    assert!(
        text.contains(&path) && !text.contains("hunter2secret"),
        "{text}"
    );
}

#[test]
fn database_addresses_come_in_the_forms_people_have() {
    let parse = |text: &str| DatabaseUrl::parse(text).unwrap();
    for (text, path) in [
        ("sqlite://var/a.db", "var/a.db"),
        ("sqlite:///srv/a.db", "/srv/a.db"),
        ("sqlite:///./a.db", "./a.db"),
        ("sqlite:a.db?mode=rwc", "a.db"),
    ] {
        assert_eq!(parse(text).file().unwrap().to_str(), Some(path), "{text}");
    }
    let url = parse("postgresql+asyncpg://asia:asia-password@db:5432/asia_crm");
    assert_eq!(
        url.to_secret().expose_secret(),
        "postgres://asia:asia-password@db:5432/asia_crm"
    );
    assert!(!format!("{url:?} {url}").contains("asia-password"));
    for text in ["", "a.db", "sqlite://", "sqlite://:memory:", "postgres://"] {
        assert!(DatabaseUrl::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_development_key_is_made_once_and_only_its_owner_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = DatabaseUrl::Sqlite(directory.path().join("deep/leads.db"));
    let (server, _, _, security, _) = read(&[]).unwrap();
    let first = security.encryption_keys(&server, &database).unwrap();
    let second = security.encryption_keys(&server, &database).unwrap();
    let file = first.generated.expect("the first call makes the key");
    assert!(second.generated.is_none());
    assert_eq!(first.keys.expose_secret(), second.keys.expose_secret());
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let server_database = DatabaseUrl::parse("postgres://localhost/x").unwrap();
    let text = security
        .encryption_keys(&server, &server_database)
        .unwrap_err();
    assert!(text.starts_with("ENCRYPTION_KEY: is unset"), "{text}");
}

#[test]
fn every_variable_is_in_the_commented_defaults() {
    for variable in COMMON_VARIABLES {
        for name in std::iter::once(&variable.name).chain(variable.aliases) {
            assert!(
                DEFAULT_TOML.contains(name),
                "{name} is not in config.default.toml"
            );
        }
    }
}
