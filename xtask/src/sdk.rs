//! The SDK as its users meet it: with any set of features, and as the only dependency of a first program.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::cargo::{cargo, has_subcommand, root};
use crate::environment;

const SDK: &str = "amocrm-sdk";

/// Every set of features that differs: `client` is in all but the first.
const FEATURES: [&[&str]; 5] = [
    &[],
    &["client"],
    &["derive"],
    &["reqwest"],
    &["derive", "reqwest"],
];

/// What the shortest blocks leave to the reader.
const IMPORTS: &str = "use amocrm_sdk::Client;
use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::fields::{PHONE, UTM_SOURCE};
use amocrm_sdk::leads::{ComplexLead, LeadFilter, WON};
let token = \"eyJ0\";";

/// Checks the SDK with every set of its features, by cargo-hack if it is installed.
pub(crate) fn features() -> Vec<(String, Command)> {
    if has_subcommand("hack") {
        let mut command = cargo(["hack", "check", "--quiet", "--feature-powerset"]);
        command.args(["-p", SDK, "--no-dev-deps"]);
        return vec![("SDK: powerset of features".to_owned(), command)];
    }
    FEATURES
        .iter()
        .map(|features| {
            let mut command = cargo(["clippy", "--quiet", "-p", SDK, "--lib"]);
            command.args(["--no-default-features", "--features", &features.join(",")]);
            command.args(["--", "-D", "warnings"]);
            let name = match features {
                [] => "no features".to_owned(),
                some => some.join(", "),
            };
            (format!("SDK: {name}"), command)
        })
        .collect()
}

/// Checks the first program of each README as a newcomer has it: in a package of its own that depends on the SDK and
/// tokio and nothing else, with the versions of the workspace's lock file.
pub(crate) fn newcomer() -> anyhow::Result<(String, Command)> {
    let package = root().join("target").join("xtask").join("newcomer");
    let source = package.join("src").join("bin");
    fs::create_dir_all(&source).with_context(|| source.display().to_string())?;
    let sdk = root().join("crates").join(SDK);
    let programs = [
        ("readme", root().join("README.md")),
        ("sdk_readme", sdk.join("README.md")),
    ];
    for (name, readme) in programs {
        let program = first_program(&readme)?;
        write(&source.join(format!("{name}.rs")), &program)?;
    }
    // Quoted as TOML quotes: Rust escapes the same characters.
    let path = sdk.display().to_string();
    let manifest = format!(
        "[package]\nname = \"newcomer\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\namocrm-sdk = {{ path = {path:?} }}\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n\n[workspace]\n"
    );
    write(&package.join("Cargo.toml"), &manifest)?;
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?;
    write(&package.join("Cargo.lock"), &lock)?;
    // Offline: what the workspace has locked is all there is. In the same target directory: most of it is built there.
    let target =
        environment::get("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let mut command = cargo(["check", "--quiet", "--offline", "--bins"]);
    command
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", target);
    Ok(("SDK: a newcomer's first program".to_owned(), command))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// The first Rust block of a README as a whole program: with its hidden lines, and with what a block leaves out.
fn first_program(readme: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(readme).with_context(|| readme.display().to_string())?;
    let block =
        rust_block(&text).with_context(|| format!("{}: no Rust block", readme.display()))?;
    let lines: Vec<&str> = block.lines().map(shown).collect();
    let program = lines.join("\n");
    if program.contains("fn main()") {
        return Ok(program);
    }
    let (items, statements) = if program.contains("async fn example()") {
        (program, "example().await".to_owned())
    } else {
        let imports = if program.contains("use amocrm_sdk") {
            ""
        } else {
            IMPORTS
        };
        (String::new(), format!("{imports}\n{program}\nOk(())"))
    };
    Ok(format!(
        "{items}\n#[tokio::main]\nasync fn main() -> Result<(), amocrm_sdk::Error> {{\n{statements}\n}}\n"
    ))
}

/// A line of a doc test without the mark that hides it.
fn shown(line: &str) -> &str {
    match line.strip_prefix("# ") {
        Some(hidden) => hidden,
        None if line == "#" => "",
        None => line,
    }
}

fn rust_block(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("```rust")?;
    let (_, block) = after.split_once('\n')?;
    let (block, _) = block.split_once("\n```")?;
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::rust_block;

    #[test]
    fn the_first_rust_block_is_found_whatever_stands_before_it() {
        let text =
            "# T\n```sh\nls\n```\n```rust,no_run\nlet a = 1;\n\nlet b;\n```\n```rust\nno\n```";
        assert_eq!(rust_block(text), Some("let a = 1;\n\nlet b;"));
        assert_eq!(rust_block("```sh\nls\n```"), None);
    }
}
