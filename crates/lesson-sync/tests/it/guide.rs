//! What the guide tells platforms to send, sent: its snippets run as they stand there, but for the address.

use std::process::Command;

use testkit::is_all_required;

use crate::harness::Academy;

const GUIDES: [&str; 2] = [
    include_str!("../../../../docs/lesson-sync.md"),
    include_str!("../../../../docs/lesson-sync.ru.md"),
];
const KEY: &str = "a-key-of-the-platform";
/// The address in the guide.
const ADDRESS: &str = "http://127.0.0.1:8001";

/// How a snippet is run: the language of its block, the program, and what makes a whole of it.
struct Way {
    language: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    call: &'static str,
    /// Few machines have it.
    is_rare: bool,
}

const WAYS: [Way; 4] = [
    Way {
        language: "bash",
        program: "bash",
        arguments: &["-ec"],
        call: "",
        is_rare: false,
    },
    Way {
        language: "python",
        program: "python3",
        arguments: &["-c"],
        call: "tell(\"student@example.com\", 67)",
        is_rare: false,
    },
    Way {
        language: "javascript",
        program: "node",
        arguments: &["--input-type=module", "-e"],
        call: "await tell('student@example.com', 67);",
        is_rare: false,
    },
    Way {
        language: "php",
        program: "php",
        arguments: &["-r"],
        call: "tell('student@example.com', 67);",
        is_rare: true,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn the_snippets_of_the_guide_move_deals_and_fail_where_the_key_is_wrong() {
    for way in &WAYS {
        let academy = Academy::open_with(&[("LESSON_API_KEY", KEY)]).await;
        let deal = academy.crm.applies("student@example.com").await;
        let [english, russian] = GUIDES.map(|guide| snippet(guide, way.language));
        assert_eq!(english, russian, "{}", way.language);
        let Some(refused) = way.run(&english, &academy.url, "a-key-of-somebody-else") else {
            continue;
        };
        assert!(!refused, "{} does not notice a refusal", way.language);
        let stored = way.run(&english, &academy.url, KEY);
        assert_eq!(stored, Some(true), "{}", way.language);
        academy.stage_becomes(deal, 1).await;
    }
}

impl Way {
    /// Whether it ended well. `None`: its program is not on this machine.
    #[expect(clippy::print_stdout, reason = "a test that did not run should say so")]
    fn run(&self, snippet: &str, url: &str, key: &str) -> Option<bool> {
        let text = format!("{}\n{}", snippet.replace(ADDRESS, url), self.call);
        let output = Command::new(self.program)
            .args(self.arguments)
            .arg(text)
            .env("LESSON_API_KEY", key)
            .env("no_proxy", "127.0.0.1")
            .output();
        match output {
            Ok(output) => Some(output.status.success()),
            Err(error) => {
                let may_be_missing = self.is_rare || !is_all_required();
                assert!(
                    may_be_missing,
                    "REQUIRE_ALL=1, but {}: {error}",
                    self.program
                );
                println!("skipped: {} ({error})", self.program);
                None
            }
        }
    }
}

/// The block of a language that tells of a lesson.
fn snippet(guide: &str, language: &str) -> String {
    let fence = format!("```{language}\n");
    let mut blocks = guide.split(&fence).skip(1);
    let block = blocks.find_map(|rest| {
        let (block, _) = rest.split_once("```")?;
        block.contains("/api/lessons/completed").then_some(block)
    });
    block.unwrap().to_owned()
}
