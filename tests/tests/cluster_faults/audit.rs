//! The operator's rights against what it asked for in all that the tests before did to it; first of these, because others
//! install another release.

use anyhow::ensure;
use e2e::cluster::{alone, figures, rights};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_asks_for_nothing_that_it_is_not_granted() -> anyhow::Result<()> {
    alone("rights", async |_| {
        let Some(asked) = rights::asked()? else { return figures::record("rights", "skipped: no audit log") };
        let granted = rights::granted().await?;
        // While the chart comes or goes, its roles may not be there yet, or no more.
        let lacking: Vec<_> = asked.refused.difference(&granted).collect();
        ensure!(lacking.is_empty(), "refused by the API server: {lacking:?}");
        let unused: Vec<_> = granted.difference(&asked.granted).collect();
        // Which tests ran before decides: to look at, not to fail on.
        figures::record("rights granted and not used", &format!("{unused:?}"))
    })
    .await
}
