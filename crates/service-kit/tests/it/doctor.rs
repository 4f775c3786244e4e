//! The frame of a service's self-examination.

use service_kit::doctor::{Doctor, Finding, Format, Severity};

fn good() -> Vec<Finding> {
    vec![Finding::good("fine")]
}

#[tokio::test]
async fn what_depends_on_something_bad_is_left_out_and_said_so() {
    let report = Doctor::new()
        .check("database", || async {
            vec![Finding::bad("it is away").remedy("start it")]
        })
        .check_after("queue", &["database"], || async { panic!("never asked") })
        .check_after("letters", &["queue"], || async { panic!("never asked") })
        .check("clock", || async { good() })
        .examine()
        .await;
    assert!(!report.is_well());
    let mut out = Vec::new();
    report.write(Format::Text, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "✘ database       it is away\n                 → start it\n\
         ! queue          not looked at, because of «database»\n\
         ! letters        not looked at, because of «queue»\n\
         ✔ clock          fine\nto be mended: 1\n"
    );
}

#[tokio::test]
async fn programs_read_the_same_as_people() {
    let report = Doctor::new()
        .check("disk", || async {
            vec![Finding::good("fine"), Finding::warn("2 % are free")]
        })
        .examine()
        .await;
    assert!(report.is_well(), "a warning is no failure");
    assert_eq!(report.worst(), Severity::Warn);
    let mut out = Vec::new();
    report.write(Format::Json, &mut out).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "well": true, "worst": "warn",
            "checks": [{"name": "disk", "findings": [
                {"severity": "good", "text": "fine"}, {"severity": "warn", "text": "2 % are free"}
            ]}]
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_a_finding() {
    let report = Doctor::new()
        .check("amocrm", std::future::pending)
        .check("clock", || async { good() })
        .examine()
        .await;
    let found: Vec<_> = report
        .findings()
        .map(|(name, it)| (name, it.severity))
        .collect();
    assert_eq!(
        found,
        [("amocrm", Severity::Bad), ("clock", Severity::Good)]
    );
}
