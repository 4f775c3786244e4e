//! The runnable examples: each must end by itself with exit status 0.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use crate::cargo::{cargo, root};
use crate::process;
use crate::report::seconds;
use crate::test::Counts;

/// The package they live in.
const PACKAGE: &str = "examples";
/// None of them waits for anything outside this machine.
const LONGEST: Duration = Duration::from_mins(2);

/// Their names, as cargo knows them.
pub(crate) fn names() -> anyhow::Result<Vec<String>> {
    let metadata = process::output(
        "cargo metadata",
        &mut cargo(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let mut names: Vec<String> = array(&metadata["packages"])
        .filter(|package| package["name"] == PACKAGE)
        .flat_map(|package| array(&package["targets"]))
        .filter(|target| array(&target["kind"]).any(|kind| kind == "example"))
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// Runs them one by one; what a failed one printed is shown.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let outputs = root().join("target").join("xtask");
    fs::create_dir_all(&outputs).with_context(|| outputs.display().to_string())?;
    for name in names {
        let output = outputs.join(format!("example-{name}.log"));
        let started = Instant::now();
        // As the README says it. From the root it also takes the features that the tests were built with.
        let mut command = cargo(["run", "--quiet", "--example", name]);
        let ended = process::run_quietly(name, &mut command, &output, LONGEST)?;
        let took = seconds(started.elapsed());
        if ended.success {
            counts.passed += 1;
            println!("✔ {name} ({took})");
        } else {
            counts.failed += 1;
            println!("✘ {name} ({took}) printed:");
            println!("{}", fs::read_to_string(&output).unwrap_or_default());
        }
    }
    Ok(counts)
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
