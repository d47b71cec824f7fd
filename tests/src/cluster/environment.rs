//! Where the cluster, the repository and the images are.

use std::path::{Path, PathBuf};

/// The version of the images and the chart: the workspace's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The root of the repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// An image of ours as the cluster knows it.
pub fn image(component: &str) -> String {
    format!("{}/intuition/{component}:{VERSION}", registry())
}

/// Where the cluster gets our images from.
pub fn registry() -> String {
    variable("INTUITION_IMAGE_REGISTRY").unwrap_or_else(|| "localhost".to_owned())
}

/// A variable of the environment, if it is set to something.
#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
