//! The release before: its images in the cluster, its chart on disk.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};

use super::{environment, figures, installation, shell};

/// The release before this source.
pub struct Previous {
    source: PathBuf,
    tag: String,
}

impl Previous {
    /// Builds it and loads its images: that of the newest tag, or of the parent commit while there is none. Where that had no
    /// chart, or there is no history, it fails unless `E2E_ALLOW_NO_PREVIOUS` is set.
    pub async fn prepare() -> anyhow::Result<Option<Self>> {
        let tagged = git(&["describe", "--tags", "--abbrev=0", "HEAD^"]).await;
        let revision = tagged.map_or("HEAD^".to_owned(), |tag| tag.trim().to_owned());
        let Ok(commit) = git(&["rev-parse", "--short", "--verify", &format!("{revision}^{{commit}}")]).await else {
            return skipped("there is no history here");
        };
        if git(&["cat-file", "-e", &format!("{revision}:charts/intuition/Chart.yaml")]).await.is_err() {
            return skipped(&format!("{revision} has no chart"));
        }
        let tag = format!("previous-{}", commit.trim());
        let source = target().join(&tag);
        if !source.exists() {
            check_out(&revision, &source).await?;
        }
        let previous = Self { source, tag };
        previous.build().await?;
        Ok(Some(previous))
    }

    /// The tag of its images.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Installs it, or goes back to it.
    pub async fn install(&self) -> anyhow::Result<()> {
        let chart = self.source.join("charts/intuition").display().to_string();
        let tag = format!("--set=image.tag={}", self.tag);
        installation::upgrade(&chart, &[[tag.as_str()].as_slice(), &installation::WAIT].concat()).await
    }

    async fn build(&self) -> anyhow::Result<()> {
        // In a target folder of its own: cargo takes members of two checkouts of a workspace for the same.
        let settings = [
            format!("SOURCE={}", self.source.display()),
            format!("TAG={}", self.tag),
            format!("CARGO_TARGET_DIR={}", target().display()),
            "PROFILE=dev".to_owned(),
        ];
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        for script in ["images/build", "tests/cluster/load-images"] {
            let script = environment::repository().join(script).display().to_string();
            let built =
                shell::run_within(shell::BUILD_LIMIT, "env", &[&settings, [script.as_str()].as_slice()].concat()).await;
            built.with_context(|| format!("building the release before, {}", self.tag))?;
        }
        Ok(())
    }
}

fn skipped(why: &str) -> anyhow::Result<Option<Previous>> {
    ensure!(environment::variable("E2E_ALLOW_NO_PREVIOUS").is_some(), "no release before to upgrade from: {why}");
    figures::record("upgrade from the release before", &format!("skipped: {why}"))?;
    Ok(None)
}

fn target() -> PathBuf {
    environment::repository().join("target/previous")
}

/// The files of a revision, as they were, without a work tree that git would have to know of.
async fn check_out(revision: &str, folder: &PathBuf) -> anyhow::Result<()> {
    let archive = folder.with_extension("tar");
    let half = folder.with_extension("half");
    fs::create_dir_all(&half)?;
    git(&["archive", "--output", &archive.display().to_string(), revision]).await?;
    shell::run("tar", &["-x", "-f", &archive.display().to_string(), "-C", &half.display().to_string()]).await?;
    fs::remove_file(archive)?;
    Ok(fs::rename(half, folder)?)
}

async fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let repository = environment::repository().display().to_string();
    shell::run("git", &[&["-c", "safe.directory=*", "-C", &repository], arguments].concat()).await
}
