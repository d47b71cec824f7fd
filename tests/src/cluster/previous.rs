//! The release before: its images in the cluster, its chart on disk.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use super::{environment, figures, installation, shell};

/// The release before this source, as `tests/releases/build` knows it.
const VERSION: &str = "v0.1.0";
/// The packages that its images hold.
const PACKAGES: [&str; 3] = ["intuition-operator", "algo-runtime", "bridge"];

/// The release before this source.
pub struct Previous {
    folder: PathBuf,
}

impl Previous {
    /// Builds it and loads its images. Where its commit is not in the history here, it fails unless `E2E_ALLOW_NO_PREVIOUS`
    /// is set.
    pub async fn prepare() -> anyhow::Result<Option<Self>> {
        let target = environment::repository().join("target");
        let folder = target.join("releases").join(VERSION);
        let repository_script = |script: &str| environment::repository().join(script).display().to_string();
        let build = [[VERSION].as_slice(), &PACKAGES].concat();
        build_within("building its binaries", &repository_script("tests/releases/build"), &build).await?;
        if folder.join("not-in-history").exists() {
            return skipped("its commit is not in the history here");
        }
        // The binaries are there already; the images are made of them with this release's recipe. The build folder is that of
        // all releases, where the dependencies are compiled.
        let settings = [
            format!("SOURCE={}", folder.join("source").display()),
            format!("TAG={}", Self::TAG),
            format!("CARGO_TARGET_DIR={}", folder.display()),
            format!("CARGO_BUILD_BUILD_DIR={}", target.display()),
            "PROFILE=dev".to_owned(),
        ];
        for script in ["images/build", "tests/cluster/load-images"] {
            let script = repository_script(script);
            let arguments: Vec<_> = settings.iter().chain([&script]).map(String::as_str).collect();
            build_within(&format!("{script} for it"), "env", &arguments).await?;
        }
        Ok(Some(Self { folder }))
    }

    /// The tag of its images.
    pub const TAG: &str = "previous-release";

    /// Installs it, or goes back to it.
    pub async fn install(&self) -> anyhow::Result<()> {
        let chart = self.folder.join("source/charts/intuition").display().to_string();
        let tag = format!("--set=image.tag={}", Self::TAG);
        installation::upgrade(&chart, &[[tag.as_str()].as_slice(), &installation::WAIT].concat()).await
    }
}

async fn build_within(step: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let built = shell::run_within(shell::BUILD_LIMIT, program, arguments).await;
    built.map(drop).with_context(|| format!("the release before, {VERSION}: {step}"))
}

fn skipped(why: &str) -> anyhow::Result<Option<Previous>> {
    ensure!(environment::variable("E2E_ALLOW_NO_PREVIOUS").is_some(), "no release before to upgrade from: {why}");
    figures::record("upgrade from the release before", &format!("skipped: {why}"))?;
    Ok(None)
}
