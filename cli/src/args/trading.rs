//! Flags of `intuition halt`, `reduce`, `resume` and `close`.

use std::{path::PathBuf, time::Duration};

use algo_runtime::backend;
use clap::{ArgGroup, Args};
use intuition_common::duration;

use crate::output::AnswerFormat;

/// `intuition halt` and `intuition reduce`.
#[derive(Debug, Args)]
pub(crate) struct HaltArgs {
    #[command(flatten)]
    pub(crate) accounts: AccountsArgs,
    /// Reason of the stop, shown beside the state of the account.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Name of the person or program that stops the account. Without it, the user of the kubeconfig's context, or $USER.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Login name, if neither --by nor a kubeconfig has a name.
    #[arg(long, env = "USER", hide = true)]
    pub(crate) login: Option<String>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    /// Format of the accounts on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: AnswerFormat,
}

/// `intuition resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) accounts: AccountsArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    /// Format of the accounts on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: AnswerFormat,
}

/// `intuition close`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["all_holdings", "symbol", "cancel"]))]
#[command(group = ArgGroup::new("which").required(true).args(["name", "runtime"]))]
#[command(group = ArgGroup::new("resources").args(["name"]))]
pub(crate) struct CloseArgs {
    /// The `TradingAlgo`, as NAME or NAMESPACE/NAME.
    #[arg(value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<String>,
    /// Sell everything that the account holds.
    #[arg(long)]
    pub(crate) all_holdings: bool,
    /// Sell this symbol. Repeatable.
    #[arg(long, value_name = "SID")]
    pub(crate) symbol: Vec<String>,
    /// Sell nothing more: drop the symbols that still wait for their next quote.
    #[arg(long)]
    pub(crate) cancel: bool,
    /// Wait until each of the symbols is sold; exit code 1 if one is not. Without it, the command ends once the runtime has
    /// recorded the request.
    #[arg(long, conflicts_with = "cancel")]
    pub(crate) wait: bool,
    /// Longest time to wait for the sales, such as 90s or 10m.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse, requires = "wait")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) at: AtArgs,
    /// Format of the answer on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: AnswerFormat,
}

/// The accounts: resources of a cluster, or one account of a runtime.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["names", "all", "selector", "runtime"]))]
#[command(group = ArgGroup::new("resources").args(["names", "all", "selector"]))]
pub(crate) struct AccountsArgs {
    /// `TradingAlgo` resources, each as NAME or NAMESPACE/NAME.
    #[arg(value_name = "NAME", value_parser = name)]
    pub(crate) names: Vec<String>,
    /// All resources of the namespace; with -A, all of the cluster.
    #[arg(long)]
    pub(crate) all: bool,
    /// Resources with these labels, in the form of `kubectl get -l`.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Look in all namespaces. Needs --all or -l.
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "names", "runtime"])]
    pub(crate) all_namespaces: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// The cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// Namespace of the resources. Without it, that of the kubeconfig's context.
    #[arg(short = 'n', long, value_name = "NAMESPACE", conflicts_with = "runtime", value_parser = label)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig to use instead of its current one.
    #[arg(long, value_name = "CONTEXT", conflicts_with = "runtime")]
    pub(crate) context: Option<String>,
    /// Kubeconfig to use instead of $KUBECONFIG and ~/.kube/config.
    #[arg(long, value_name = "FILE", conflicts_with = "runtime")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// A runtime that is called without a cluster.
#[derive(Debug, Args)]
pub(crate) struct AtArgs {
    /// Ask this runtime, `http://HOST:PORT`, instead of a cluster: one of `intuition run`, which prints its address at
    /// the start, or one behind `kubectl port-forward`. In a cluster the operator undoes at its next look a state that is set
    /// this way.
    #[arg(long, value_name = "URL", requires = "account")]
    pub(crate) runtime: Option<backend::Address>,
    /// The account that the runtime serves.
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "runtime", conflicts_with = "resources")]
    pub(crate) account: Option<String>,
    /// uid of the resource, as `kubectl get ta NAME -o jsonpath={.metadata.uid}` shows it. None for a runtime that was
    /// started without a resource, as by `intuition run`.
    #[arg(long, value_name = "UID", default_value = "", requires = "runtime", conflicts_with = "resources")]
    pub(crate) uid: String,
}

/// The end of the wait.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Longest time to wait for the operator to confirm the state of all accounts, such as 60s or 5m.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse, conflicts_with = "runtime")]
    pub(crate) timeout: Duration,
    /// End once the API server has taken the annotations.
    #[arg(long, conflicts_with_all = ["timeout", "runtime"])]
    pub(crate) no_wait: bool,
}

/// `NAME` or `NAMESPACE/NAME` of a resource.
fn name(text: &str) -> Result<String, &'static str> {
    let parts = text.split_once('/').map_or([text, text], |(namespace, name)| [namespace, name]);
    let is_name = parts.into_iter().all(|part| label(part).is_ok());
    is_name.then(|| text.to_owned()).ok_or("must be NAME or NAMESPACE/NAME, of a-z, 0-9 and -")
}

/// A name that can stand in a path of the API server.
fn label(text: &str) -> Result<String, &'static str> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = (1..=63).contains(&text.len()) && text.bytes().all(is_known) && !text.starts_with('-');
    is_label.then(|| text.to_owned()).ok_or("must be 1 to 63 characters of a-z, 0-9 and -")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Arguments;

    fn is_valid(arguments: &str) -> bool {
        Arguments::try_parse_from(arguments.split_whitespace()).is_ok()
    }

    #[test]
    fn accounts_are_named_selected_or_those_of_a_runtime() {
        for arguments in [
            "intuition halt goog",
            "intuition halt goog team-a/msft -n trading --context prod --kubeconfig k --reason why --timeout 5s",
            "intuition halt --all -A --no-wait",
            "intuition reduce -l desk=equities -n trading --output json",
            "intuition resume goog",
            "intuition resume --runtime http://127.0.0.1:1 --account default/goog --uid u-1",
            "intuition close goog --all-holdings",
            "intuition close goog --symbol A --symbol B --wait --timeout 5m",
            "intuition close --runtime http://127.0.0.1:1 --account default/goog --cancel",
        ] {
            assert!(is_valid(arguments), "{arguments}");
        }
    }

    #[test]
    fn a_choice_that_is_not_clear_is_refused() {
        for arguments in [
            "intuition halt",
            "intuition halt -A",
            "intuition halt goog --all",
            "intuition halt goog -A",
            "intuition halt goog -l desk=equities",
            "intuition halt ../pods",
            "intuition halt a/b/c",
            "intuition halt goog -n a/b",
            "intuition halt goog --runtime http://127.0.0.1:1 --account default/goog",
            "intuition halt --runtime http://127.0.0.1:1",
            "intuition halt goog --account default/goog",
            "intuition halt goog --uid u-1",
            "intuition halt goog --no-wait --timeout 5s",
            "intuition halt goog --timeout 5",
            "intuition resume goog --reason why",
            "intuition close goog",
            "intuition close --all-holdings",
            "intuition close goog msft --all-holdings",
            "intuition close goog --all-holdings --symbol A",
            "intuition close goog --cancel --wait",
        ] {
            assert!(!is_valid(arguments), "{arguments}");
        }
    }
}
