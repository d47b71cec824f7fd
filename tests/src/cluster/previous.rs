//! The release before: its images in the cluster, its chart on disk.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use super::{environment, figures, installation, shell};

/// The release before this source.
pub struct Previous {
    source: PathBuf,
    tag: String,
}

impl Previous {
    /// Builds it and loads its images: that of the newest tag, or of the parent commit while there is none. `None` if that
    /// had no chart, or there is no history here.
    pub async fn prepare() -> anyhow::Result<Option<Self>> {
        let tagged = git(&["describe", "--tags", "--abbrev=0", "HEAD^"]).await;
        let revision = tagged.map_or("HEAD^".to_owned(), |tag| tag.trim().to_owned());
        let Ok(commit) = git(&["rev-parse", "--short", "--verify", &format!("{revision}^{{commit}}")]).await else {
            figures::record("upgrade from the release before", "skipped: there is no history here")?;
            return Ok(None);
        };
        if git(&["cat-file", "-e", &format!("{revision}:charts/intuition/Chart.yaml")]).await.is_err() {
            figures::record("upgrade from the release before", &format!("skipped: {revision} has no chart"))?;
            return Ok(None);
        }
        let tag = format!("previous-{}", commit.trim());
        let source = environment::repository().join("target").join(&tag);
        if !source.exists() {
            check_out(&revision, &source).await?;
        }
        let previous = Self { source, tag };
        previous.build().await?;
        Ok(Some(previous))
    }

    /// Installs it, or goes back to it.
    pub async fn install(&self) -> anyhow::Result<()> {
        let chart = self.source.join("charts/intuition").display().to_string();
        let tag = format!("--set=image.tag={}", self.tag);
        installation::upgrade(&chart, &[[tag.as_str()].as_slice(), &installation::WAIT].concat()).await
    }

    async fn build(&self) -> anyhow::Result<()> {
        let (source, tag) = (format!("SOURCE={}", self.source.display()), format!("TAG={}", self.tag));
        for script in ["images/build", "tests/cluster/load-images"] {
            let script = environment::repository().join(script).display().to_string();
            let built = shell::run_within(shell::BUILD_LIMIT, "env", &[&source, &tag, &script]).await;
            built.with_context(|| format!("building the release before, {}", self.tag))?;
        }
        Ok(())
    }
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
    shell::run("git", &[&["-C", &repository], arguments].concat()).await
}
