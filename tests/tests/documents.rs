//! What the documents say is there: files that they name, manifests that they show.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use e2e::command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The README and its like, and everything in docs.
fn documents() -> anyhow::Result<Vec<PathBuf>> {
    documents_in(&["", "docs", "docs/adr"])
}

/// Those too that speak of files which their reader makes.
fn all_documents() -> anyhow::Result<Vec<PathBuf>> {
    let guides = documents_in(&[
        "docs/write-an-algorithm",
        "sdk/python",
        "examples/python",
        "examples/typescript",
        "examples/rust",
    ])?;
    Ok(documents()?.into_iter().chain(guides).collect())
}

fn documents_in(folders: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(repository().join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    ensure!(found.len() > folders.len(), "{found:?}");
    Ok(found)
}

#[test]
fn files_that_the_documents_name_exist() -> anyhow::Result<()> {
    let repository = repository();
    // `bridge/driver.rs` stands for `bridge/src/driver.rs`, `driver.rs` for one in a crate just named.
    let folders = ["", "tests/tests", "algo-runtime/src", "bridge/src", "algo-runtime/api/proto/intuition/v1", "docs"];
    for document in documents()? {
        let text = fs::read_to_string(&document)?;
        // A guide has its reader make them.
        let made: Vec<_> = text.split("<!-- file: ").skip(1).filter_map(|rest| rest.split(" -->").next()).collect();
        for name in text.split('`').skip(1).step_by(2) {
            let is_file = [".rs", ".md", ".proto", ".yaml", ".csv"].iter().any(|ending| name.ends_with(ending));
            if !is_file || name.starts_with('.') || name.contains([' ', '*', '<', '$', ',']) {
                continue;
            }
            let in_crate = name.split_once('/').map(|(package, rest)| format!("{package}/src/{rest}"));
            let exists = folders.iter().any(|folder| repository.join(folder).join(name).exists())
                || in_crate.is_some_and(|path| repository.join(path).exists());
            ensure!(
                exists || made.contains(&name) || name == "foo.rs" || name == "mod.rs",
                "{} names {name}",
                document.display()
            );
        }
    }
    Ok(())
}

#[test]
fn links_between_the_documents_lead_somewhere() -> anyhow::Result<()> {
    for document in all_documents()? {
        let folder = document.parent().context("a file is in a folder")?;
        // Between backticks is code, in which these characters mean something else.
        let prose: String = fs::read_to_string(&document)?.split('`').step_by(2).collect();
        for link in prose.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            let outside = target.starts_with("http");
            let target = target.split('#').next().unwrap_or_default();
            ensure!(outside || folder.join(target).exists(), "{} links to {target}", document.display());
        }
    }
    Ok(())
}

/// Links to files, each with the text behind it up to the next link.
fn links(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("](").skip(1);
    parts
        .filter_map(|part| part.split_once(')'))
        .filter(|(target, _)| Path::new(target).extension().is_some_and(|ext| ext == "rs"))
        .collect()
}

#[test]
fn architecture_is_short_and_its_way_of_a_quote_has_each_file_once() -> anyhow::Result<()> {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md"))?;
    ensure!(text.lines().count() <= 150, "ARCHITECTURE.md has {} lines", text.lines().count());
    let way = text.split("\n## ").find(|section| section.starts_with("The way of one quote")).context("the section")?;
    let mut files: Vec<&str> = links(way).into_iter().map(|(file, _)| file).collect();
    let all = files.len();
    files.sort_unstable();
    files.dedup();
    ensure!(all > 30 && files.len() == all, "{all} links to {} files", files.len());
    Ok(())
}

#[test]
fn files_that_architecture_calls_pure_read_no_clock_and_no_randomness() -> anyhow::Result<()> {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md"))?;
    let pure: Vec<_> = links(&text).into_iter().filter(|(_, behind)| behind.starts_with(" ○")).collect();
    ensure!(pure.len() > 30, "{pure:?}");
    for (file, _) in pure {
        let code = fs::read_to_string(repository().join(file))?;
        ensure!(
            !code.contains("clippy::disallowed_methods"),
            "{file} has an exception from a clock or a random generator"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_of_the_readme_are_valid() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let text = fs::read_to_string(repository().join("README.md"))?;
    let manifests: Vec<_> = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    ensure!(!manifests.is_empty(), "the README shows a manifest");
    for manifest in manifests {
        fs::write(folder.path().join("readme.yaml"), manifest)?;
        let ended = command::run("intuition", "validate -f readme.yaml", folder.path()).await?;
        ensure!(ended.code == Some(0), "{ended:?}\n{manifest}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_of_the_example_market_are_valid() -> anyhow::Result<()> {
    let folder = repository().join("examples/market");
    let laptop = "-f feed.yaml -f random.yaml -f sma-crossover.yaml";
    for files in [laptop, "-f cluster/feeds.yaml -f cluster/accounts.yaml"] {
        let ended = command::run("intuition", &format!("validate {files}"), &folder).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
    }
    Ok(())
}
