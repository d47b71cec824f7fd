//! The command line of `algo-runtime`.

mod beside;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use intuition_api::v1::TradingState;
use intuition_common::{duration, telemetry::LogArgs};
use serde_json::{Map, Value};

use crate::{
    ledger::Retention,
    portfolio::{Policy, PolicyError},
    settings::{
        AlgorithmRef, DEFAULT_STARTING_CASH, DEFAULT_THRESHOLD, Initial, InitialTrading, Input, LiveSettings,
        SecondFile, Settings, SettingsError, SettingsSource, Topics, plain_sum,
    },
    trading::ParseDocumentError,
};

/// Hosts one trading algorithm: decides, sizes, and keeps the ledger.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    /// A command other than serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Arguments of serving.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Commands other than serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Recompute a ledger from its journal alone; ends with 1 at the first entry that is wrong.
    Verify {
        /// Folder of the ledger.
        #[arg(long, env = "INTUITION_DATA_DIR")]
        data_dir: PathBuf,
    },
    /// Copy a ledger, also while it is in use. The copy is checked.
    Backup {
        /// Folder of the ledger.
        #[arg(long, env = "INTUITION_DATA_DIR")]
        data_dir: PathBuf,
        /// The new file; `-` for standard output.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Put a copy in the place of a ledger, while its runtime is stopped. The replaced ledger stays beside the copy. Later decisions have
    /// another ledger id.
    Restore {
        /// Folder of the ledger.
        #[arg(long, env = "INTUITION_DATA_DIR")]
        data_dir: PathBuf,
        /// The copy; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Replace a ledger in the folder also if it is newer than the copy.
        #[arg(long)]
        force: bool,
        /// Do not migrate the copy, so that a runtime of v0.1.0 can use it. For `ledger.db.format-1`.
        #[arg(long)]
        keep_format: bool,
    },
    /// Write the journal as CSV, also while the ledger is in use: each entry with its hash. Nothing is deleted.
    Archive {
        /// Folder of the ledger.
        #[arg(long, env = "INTUITION_DATA_DIR")]
        data_dir: PathBuf,
        /// The new file; `-` for standard output.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Number of the first entry [default: the first kept entry].
        #[arg(long, value_name = "N")]
        from: Option<u64>,
        /// Number of the last entry [default: the end of the journal].
        #[arg(long, value_name = "N")]
        through: Option<u64>,
    },
    /// Make a sound ledger of a damaged one, while its runtime is stopped: with the longest journal that adds up, and with all other rows
    /// that can be read and fit it. The damaged ledger is kept beside it. Later decisions have another ledger id.
    Salvage {
        /// Folder of the ledger.
        #[arg(long, env = "INTUITION_DATA_DIR")]
        data_dir: PathBuf,
    },
}

/// Arguments of serving. Required arguments are optional in type alone, since the other commands have none of them.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address of the gRPC server.
    #[arg(long, env = "INTUITION_ADDR", default_value = "127.0.0.1:50051")]
    pub addr: SocketAddr,
    /// Address of /healthz, /readyz and /metrics; none without it.
    #[arg(long, env = "INTUITION_HTTP_ADDR")]
    pub http_addr: Option<SocketAddr>,
    /// The account, NAMESPACE/NAME.
    #[arg(long, env = "INTUITION_ACCOUNT", required = true)]
    pub account: Option<String>,
    /// Folder of the ledger; made where it does not exist.
    #[arg(long, env = "INTUITION_DATA_DIR", required = true)]
    pub data_dir: Option<PathBuf>,
    /// A resource's settings, JSON: resourceUid, generation, algorithm or algorithmAddress, threshold, parameters, startingCash, suspend.
    /// Where they are beside FILE.json, three more are read: FILE-2.json with channels.inputs, a list of topic, symbols, format, maxQuoteAge
    /// and staleAfter, and topics, the rule for channels that the algorithm asks for; trading-state.json with resourceUid, generation and causes, a
    /// list of cause, state and message; cash.json with resourceUid, generation and startingCashUnchanged.
    #[arg(
        long,
        env = "INTUITION_SETTINGS",
        conflicts_with_all = ["algorithm", "algorithm_address", "threshold", "starting_cash", "seed", "param", "suspend", "trading_state", "retain_decisions", "retain_for"]
    )]
    pub settings: Option<PathBuf>,
    /// Name of a built-in algorithm, for example random.
    #[arg(long, env = "INTUITION_ALGORITHM")]
    pub algorithm: Option<String>,
    /// Where an algorithm out of process is served: `http://HOST:PORT` or `unix:/PATH`.
    #[arg(long, env = "INTUITION_ALGORITHM_ADDRESS", value_name = "URL", conflicts_with = "algorithm")]
    pub algorithm_address: Option<String>,
    /// Seconds that an algorithm out of process may take for an answer.
    #[arg(long, env = "INTUITION_ALGORITHM_DEADLINE", value_name = "SECONDS", default_value_t = 10.0, value_parser = deadline)]
    pub algorithm_deadline: f64,
    /// The algorithm's threshold, 0 to 1 [default: 0.5].
    #[arg(long, env = "INTUITION_THRESHOLD", allow_hyphen_values = true)]
    pub threshold: Option<f64>,
    /// Net deposits: the first start deposits them, a change deposits or withdraws the difference. Without it the first start
    /// deposits 10000, and later starts leave the deposits as they are.
    #[arg(long, env = "INTUITION_STARTING_CASH", allow_hyphen_values = true)]
    pub starting_cash: Option<String>,
    /// Makes algorithm and portfolio reproducible; the same as --param seed=N.
    #[arg(long, env = "INTUITION_SEED", allow_hyphen_values = true)]
    pub seed: Option<u64>,
    /// A parameter of the algorithm; the value is JSON, or else text.
    #[arg(long, env = "INTUITION_PARAM", value_name = "KEY=VALUE", value_delimiter = ',', value_parser = parameter)]
    pub param: Vec<(String, Value)>,
    /// The trading state that is asked for, at every start anew: Active, Reducing denies buys, Halted denies every signal.
    /// Quotes still reach the algorithm. A state that was set while the runtime ran holds beside it [default: Active].
    #[arg(long, env = "INTUITION_TRADING_STATE", value_name = "STATE")]
    pub trading_state: Option<TradingState>,
    /// The same as --trading-state Halted.
    #[arg(long, env = "INTUITION_SUSPEND")]
    pub suspend: bool,
    /// How a buy is sized: random-fraction, fixed-fraction, fixed-amount.
    #[arg(long, env = "INTUITION_PORTFOLIO", default_value = "random-fraction")]
    pub portfolio: String,
    /// For fixed-fraction: the fraction of the cash, more than 0, at most 1.
    #[arg(long, env = "INTUITION_FRACTION", allow_hyphen_values = true)]
    pub fraction: Option<f64>,
    /// For fixed-amount: the amount.
    #[arg(long, env = "INTUITION_AMOUNT", allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// An MQTT topic filter to subscribe to, instead of what the algorithm asks for; may be repeated. A comma is part of it.
    #[arg(long, env = "INTUITION_CHANNEL", value_name = "FILTER")]
    pub channel: Vec<String>,
    /// Drop entries of the journal that have so many decisions behind them [default: none].
    #[arg(long, env = "INTUITION_RETAIN_DECISIONS", value_name = "N")]
    pub retain_decisions: Option<u64>,
    /// Drop entries of the journal of this age, such as 90d [default: none]. With both flags, the limit that is reached first counts.
    #[arg(long, env = "INTUITION_RETAIN_FOR", value_name = "TIME", value_parser = duration::parse)]
    pub retain_for: Option<Duration>,
    /// How logs look.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// The settings file cannot be read.
    #[error("cannot read the settings {path}")]
    ReadSettings {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The settings file cannot be used.
    #[error("cannot use the settings {path}")]
    UseSettings {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: SettingsError,
    },
    /// The second settings file is no JSON, or has a member that this release does not know.
    #[error(
        "cannot use the settings {path}: they are no JSON object of the fields that this release knows. If a later release wrote \
         them, upgrade algo-runtime"
    )]
    ParseSecondFile {
        /// Which file.
        path: PathBuf,
        /// The mistake, with the name of the member.
        source: serde_json::Error,
    },
    /// The file with the trading state cannot be used. Starting without it could lift a stop.
    #[error("cannot use the trading state {path}")]
    ParseTradingState {
        /// Which file.
        path: PathBuf,
        /// The mistake.
        source: ParseDocumentError,
    },
    /// The file about the starting cash cannot be used.
    #[error("cannot use {path}: it is no JSON object of the fields resourceUid, generation and startingCashUnchanged")]
    ParseCash {
        /// Which file.
        path: PathBuf,
        /// The mistake.
        source: serde_json::Error,
    },
    /// A file beside the settings belongs to another resource.
    #[error("{path} is of the resource with uid {found:?}, and the settings beside it are of {wanted:?}")]
    OtherUid {
        /// Which file.
        path: PathBuf,
        /// Its uid.
        found: String,
        /// That of the settings.
        wanted: String,
    },
    /// A flag cannot be used.
    #[error("cannot use the flags")]
    UseFlags(#[source] SettingsError),
    /// The portfolio's flags cannot be used.
    #[error("cannot use --portfolio, --fraction, --amount")]
    UsePolicy(#[source] PolicyError),
    /// The account's name is none.
    #[error("--account {0:?} must be NAMESPACE/NAME")]
    UseAccount(String),
    /// Two flags set the same parameter.
    #[error("{first} and {second} set the same parameter: give one of them")]
    RepeatParameter {
        /// One flag with its value.
        first: String,
        /// The other.
        second: String,
    },
    /// Neither file nor algorithm.
    #[error("one of --algorithm, --algorithm-address and --settings is needed")]
    NameAlgorithm,
}

impl ServeArgs {
    /// The settings that the arguments ask for.
    pub fn settings(&self) -> Result<Settings, ArgsError> {
        let account = self.account.clone().unwrap_or_default();
        let named = account.split_once('/').is_some_and(|(namespace, name)| {
            !namespace.is_empty() && !name.is_empty() && !name.contains(['/', '+', '#'])
        });
        if !named {
            return Err(ArgsError::UseAccount(account));
        }
        let (live, source, second, initial) = match &self.settings {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ArgsError::ReadSettings { path: path.clone(), source })?;
                let (live, source) = LiveSettings::from_file(&text)
                    .map_err(|source| ArgsError::UseSettings { path: path.clone(), source })?;
                let initial = beside::initial(path, source.uid())?;
                (live, source, beside::second(path)?, initial)
            }
            None => (self.flags()?, SettingsSource::Start, SecondFile::default(), self.initial()),
        };
        if let Some(amount) = &self.amount {
            plain_sum("portfolio.amount", amount).map_err(|error| ArgsError::UseFlags(error.into()))?;
        }
        let SecondFile { inputs, topics } = second;
        Ok(Settings {
            topics: Topics::new(&account, topics),
            account,
            live,
            source,
            policy: Policy::from_parts(&self.portfolio, self.fraction, self.amount.as_deref())
                .map_err(ArgsError::UsePolicy)?,
            subscribe: self.channels(&inputs),
            inputs,
            initial,
        })
    }

    fn initial(&self) -> Initial {
        Initial {
            cash_unchanged: self.starting_cash.is_none(),
            trading: InitialTrading::Flags(self.trading_state.unwrap_or(TradingState::Active)),
        }
    }

    /// The filters of `--channel`; without that flag, those of the inputs.
    fn channels(&self, inputs: &[Input]) -> Option<Vec<String>> {
        let of_inputs = || inputs.iter().map(|input| input.topic.clone()).collect();
        let filters: Vec<String> = if self.channel.is_empty() { of_inputs() } else { self.channel.clone() };
        (!filters.is_empty()).then_some(filters)
    }

    /// The parameters of `--param` and `--seed`, each of which may be given once.
    fn parameters(&self) -> Result<Map<String, Value>, ArgsError> {
        let mut parameters = Map::new();
        for (name, value) in &self.param {
            if let Some(first) = parameters.insert(name.clone(), value.clone()) {
                let flag = |value: &Value| format!("--param {name}={value}");
                return Err(ArgsError::RepeatParameter { first: flag(&first), second: flag(value) });
            }
        }
        if let Some(seed) = self.seed
            && let Some(value) = parameters.insert("seed".to_owned(), seed.into())
        {
            let (first, second) = (format!("--seed {seed}"), format!("--param seed={value}"));
            return Err(ArgsError::RepeatParameter { first, second });
        }
        Ok(parameters)
    }

    fn retention(&self) -> Option<Retention> {
        let (decisions, age_seconds) = (self.retain_decisions, self.retain_for.map(|age| age.as_secs()));
        (decisions.is_some() || age_seconds.is_some()).then_some(Retention { decisions, age_seconds })
    }

    fn flags(&self) -> Result<LiveSettings, ArgsError> {
        let parameters = self.parameters()?;
        let (algorithm, address) = (self.algorithm.as_deref(), self.algorithm_address.as_deref());
        if algorithm.is_none() && address.is_none() {
            return Err(ArgsError::NameAlgorithm);
        }
        let algorithm = AlgorithmRef::from_fields(algorithm.unwrap_or_default(), address.unwrap_or_default())
            .map_err(|error| ArgsError::UseFlags(error.into()))?;
        let live = LiveSettings {
            algorithm,
            threshold: self.threshold.unwrap_or(DEFAULT_THRESHOLD),
            parameters,
            starting_cash: self.starting_cash.clone().unwrap_or_else(|| DEFAULT_STARTING_CASH.to_owned()),
            suspend: self.suspend,
            retention: self.retention(),
        };
        live.check().map_err(ArgsError::UseFlags)?;
        Ok(live)
    }
}

fn parameter(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((key.to_owned(), value))
}

fn deadline(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=600.0).contains(seconds));
    seconds.ok_or("must be a number of seconds from 0.1 to 600")
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    /// What is wrong with these flags, with its cause.
    fn refused(flags: &[&str]) -> String {
        let head = ["algo-runtime", "--account", "default/a", "--data-dir", "/nowhere", "--algorithm", "random"];
        let cli = Cli::try_parse_from(head.iter().chain(flags)).unwrap_or_else(|error| panic!("{flags:?}: {error}"));
        let error = cli.serve.settings().unwrap_err();
        format!("{error}: {}", error.source().unwrap())
    }

    #[test]
    fn seed_and_every_parameter_are_given_once() {
        let told = |flags: &[&str]| {
            let head = ["algo-runtime", "--account", "default/a", "--data-dir", "/nowhere", "--algorithm", "random"];
            let cli = Cli::try_parse_from(head.iter().chain(flags)).unwrap();
            cli.serve.settings().map(|settings| settings.live.seed()).map_err(|error| error.to_string())
        };
        let same = "set the same parameter: give one of them";
        assert_eq!(told(&["--seed", "2", "--param", "seed=1"]), Err(format!("--seed 2 and --param seed=1 {same}")));
        assert_eq!(told(&["--param", "seed=1", "--seed", "1"]), Err(format!("--seed 1 and --param seed=1 {same}")));
        assert_eq!(
            told(&["--param", "seed=1", "--param", "seed=2"]),
            Err(format!("--param seed=1 and --param seed=2 {same}"))
        );
        assert_eq!(told(&["--seed", "2"]), Ok(Some(2)));
        assert_eq!(told(&["--param", "seed=1"]), Ok(Some(1)));
    }

    #[test]
    fn second_settings_file_brings_inputs_and_their_filters() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.json");
        std::fs::write(&file, r#"{"resourceUid":"u","generation":1,"algorithm":"random"}"#).unwrap();
        let read = |flags: &[&str]| {
            let head = ["algo-runtime", "--account", "default/a", "--data-dir", "/nowhere", "--settings"];
            let cli = Cli::try_parse_from(head.iter().chain(&[file.to_str().unwrap()]).chain(flags)).unwrap();
            let settings = cli.serve.settings().map_err(|error| format!("{error}: {}", error.source().unwrap()))?;
            settings.check().map_err(|error| error.to_string())?;
            Ok::<_, String>((settings.subscribe, settings.inputs.len()))
        };
        assert_eq!(read(&[]), Ok((None, 0)));
        let second = dir.path().join("settings-2.json");
        let write = |text: &str| std::fs::write(&second, text).unwrap();
        write(r#"{"channels":{"inputs":[{"topic":"a","symbols":["GOOG"]},{"topic":"b/#"}]}}"#);
        let filters = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&[]), Ok((filters(&["a", "b/#"]), 2)));
        assert_eq!(read(&["--channel=b/#", "--channel=a"]), Ok((filters(&["b/#", "a"]), 2)));
        assert_eq!(
            read(&["--channel=a"]),
            Err("channels.inputs[1].topic: is within none of the channels: \"b/#\"".to_owned())
        );
        write(r#"{"channels":{"inputs":[{"topic":"a","colour":{}}]}}"#);
        let error = read(&[]).unwrap_err();
        assert!(error.contains("settings-2.json") && error.contains("unknown field `colour`"), "{error}");
        assert!(error.contains("upgrade algo-runtime"), "{error}");
    }

    #[test]
    fn trading_state_and_cash_of_flags_are_those_that_are_given() {
        let initial = |flags: &[&str]| {
            let head = ["algo-runtime", "--account", "default/a", "--data-dir", "/nowhere", "--algorithm", "random"];
            let cli = Cli::try_parse_from(head.iter().chain(flags)).map_err(|error| error.to_string())?;
            Ok::<_, String>(cli.serve.settings().unwrap().initial)
        };
        assert_eq!(initial(&[]).unwrap(), Initial { cash_unchanged: true, ..Initial::default() });
        let given = initial(&["--trading-state", "Reducing", "--starting-cash", "10000"]).unwrap();
        assert_eq!((given.cash_unchanged, given.trading), (false, InitialTrading::Flags(TradingState::Reducing)));
        let refused = initial(&["--trading-state", "Paused"]).unwrap_err();
        assert!(refused.contains("must be Active, Reducing or Halted, is \"Paused\""), "{refused}");
    }

    #[test]
    fn a_comma_is_part_of_a_topic_filter() {
        let head = ["algo-runtime", "--account", "default/a", "--data-dir", "/nowhere", "--algorithm", "random"];
        let cli = Cli::try_parse_from(head.iter().chain(&["--channel=a,b/+", "--channel=c"])).unwrap();
        assert_eq!(cli.serve.settings().unwrap().subscribe.unwrap(), ["a,b/+", "c"]);
    }

    #[test]
    fn a_number_that_cannot_be_used_is_told_by_its_field_with_a_sign_too() {
        let sum = "must be a plain decimal of at most 13 digits before the point and 2 after it, such as 10000.50, is";
        let flags = "cannot use the flags";
        let portfolio = "cannot use --portfolio, --fraction, --amount";
        for (arguments, expected) in [
            (vec!["--starting-cash", "-1"], format!("{flags}: startingCash: {sum} \"-1\"")),
            (vec!["--starting-cash", "1e4"], format!("{flags}: startingCash: {sum} \"1e4\"")),
            (vec!["--starting-cash", "--suspend"], format!("{flags}: startingCash: {sum} \"--suspend\"")),
            (vec!["--threshold", "-.5"], format!("{flags}: threshold: must be from 0 to 1, is -0.5")),
            (
                vec!["--threshold", "2", "--starting-cash", "-1", "--param", "x=1"],
                format!(
                    "{flags}: threshold: must be from 0 to 1, is 2; startingCash: {sum} \"-1\"; parameters.x: is unknown; \
                     this algorithm takes seed"
                ),
            ),
            (
                vec!["--portfolio", "fixed-fraction", "--fraction", "-1"],
                format!("{portfolio}: portfolio.fraction: must be more than 0 and at most 1, is -1"),
            ),
            (vec!["--portfolio", "fixed-amount", "--amount", "-1"], format!("{flags}: portfolio.amount: {sum} \"-1\"")),
            (
                vec!["--portfolio", "fixed-amount", "--amount", "1e2"],
                format!("{flags}: portfolio.amount: {sum} \"1e2\""),
            ),
        ] {
            assert_eq!(refused(&arguments), expected, "{arguments:?}");
        }
    }
}
