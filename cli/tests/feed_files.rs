//! Files that users bring, and files that change between two runs.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const HEAD: &str = "time,sid,close\n";
/// Buys at every quote.
const MANIFEST: &str = "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {name: buyer}\nspec: {algorithm: {builtin: \
                        random}, threshold: 0, portfolio: {policy: fixed-amount, amount: 1}}\n";

/// A folder with a manifest, a file of quotes and ledgers.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        fs::write(desk.path("buyer.yaml"), MANIFEST).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, rows: &str) {
        fs::write(self.path("q.csv"), format!("{HEAD}{rows}")).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
        command.current_dir(self.0.path()).stdin(Stdio::null()).arg("run").args(["-f", "buyer.yaml"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        // Warnings of the log are about other things than files.
        command.args(["--data-dir", "ledgers", "--output", "json", "--log", "error"]).output().unwrap()
    }

    /// A run over `q.csv`: its exit code, the decided prices, and standard error.
    fn feed(&self, arguments: &[&str]) -> (i32, Vec<String>, String) {
        outcome(&self.run(&[&["--feed", "q.csv"], arguments].concat()))
    }
}

fn outcome(output: &Output) -> (i32, Vec<String>, String) {
    let stdout = std::str::from_utf8(&output.stdout).unwrap();
    let values = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let prices = values.filter_map(|value| Some(value.get("price")?.as_str().unwrap().to_owned())).collect();
    (output.status.code().unwrap(), prices, String::from_utf8(output.stderr.clone()).unwrap())
}

const THREE: &str = "2024-01-02,AAPL,10\n2024-01-03,AAPL,11\n2024-01-04,AAPL,12\n";

#[test]
fn a_file_that_has_grown_goes_on_behind_its_last_row() {
    let desk = Desk::new();
    desk.write(THREE);
    let (code, prices, stderr) = desk.feed(&[]);
    assert_eq!((code, prices.len(), stderr.as_str()), (0, 3, ""));
    assert_eq!(desk.feed(&[]).1, Vec::<String>::new());
    // Other line ends and another compression are the same rows.
    let text = format!("{HEAD}{THREE}2024-01-05,AAPL,13\n").replace('\n', "\r\n");
    fs::write(desk.path("q.csv"), text).unwrap();
    let (code, prices, stderr) = desk.feed(&[]);
    assert_eq!((code, prices), (0, vec!["13".to_owned()]), "{stderr}");
    assert_eq!(stderr, "default/buyer: 3 rows of the feed were decided earlier\n");
}

#[test]
fn a_file_that_has_changed_in_rows_that_were_decided_publishes_nothing() {
    let changes = [
        // A row was inserted, the first row is gone, the last one was corrected, rows are gone, all is new.
        (
            "2024-01-02,AAPL,10\n2024-01-02,GOOG,100\n2024-01-03,AAPL,11\n2024-01-04,AAPL,12\n2024-01-05,AAPL,13\n",
            "data row 2 has changed",
        ),
        ("2024-01-03,AAPL,11\n2024-01-04,AAPL,12\n2024-01-05,AAPL,13\n", "data row 1 has changed"),
        ("2024-01-02,AAPL,10\n2024-01-03,AAPL,11\n2024-01-04,AAPL,12.5\n", "data row 3 has changed"),
        ("2024-01-02,AAPL,10\n", "has fewer data rows than it had: 1, and before at least 3"),
        ("2025-01-02,MSFT,7\n2025-01-03,MSFT,8\n2025-01-04,MSFT,9\n2025-01-05,MSFT,9\n", "data row 1 has changed"),
    ];
    let desk = Desk::new();
    desk.write(THREE);
    assert_eq!(desk.feed(&[]).1.len(), 3);
    for (rows, expected) in changes {
        desk.write(rows);
        let (code, prices, stderr) = desk.feed(&[]);
        let start = format!(
            "error: q.csv: {expected}; rows up to 3 were decided as the source q.csv, so nothing was published: "
        );
        assert!(
            stderr.starts_with(&start) && stderr.contains("--source NEW") && stderr.contains("--restart"),
            "{stderr}"
        );
        assert_eq!((code, prices.len()), (2, 0), "{stderr}");
    }
    // The file as it was goes on.
    desk.write(&format!("{THREE}2024-01-05,AAPL,13\n"));
    assert_eq!(desk.feed(&[]).1, ["13"]);
}

#[test]
fn another_source_and_a_restart_take_all_rows_of_a_changed_file() {
    let desk = Desk::new();
    desk.write(THREE);
    desk.feed(&[]);
    let changed = "2024-01-03,AAPL,11\n2024-01-04,AAPL,12\n";
    desk.write(changed);
    assert_eq!(desk.feed(&["--source", "desk"]).1, ["11", "12"]);
    assert_eq!(desk.feed(&["--source", "desk"]).1.len(), 0);
    let (code, prices, stderr) = desk.feed(&["--restart"]);
    assert_eq!((code, prices.len(), stderr.as_str()), (0, 2, "q.csv: is the source q.csv#2\n"));
    assert_eq!(desk.feed(&["--restart"]).2, "q.csv: is the source q.csv#3\n");
    assert_eq!(desk.feed(&["--source", "q.csv#2"]).1.len(), 0);
}

#[test]
fn a_ledger_that_knows_the_name_of_an_earlier_release_goes_on_under_it() {
    let desk = Desk::new();
    desk.write(THREE);
    // sha256sum of the first data row, its first eight digits, is the end of the name.
    let hash = Command::new("sh").args(["-c", "printf 2024-01-02,AAPL,10 | sha256sum | cut -c1-8"]).output().unwrap();
    let old = format!("q.csv-{}", String::from_utf8(hash.stdout).unwrap().trim());
    assert_eq!(desk.feed(&["--source", &old]).1.len(), 3);
    fs::remove_dir_all(desk.path("ledgers/.feeds")).unwrap();
    desk.write(&format!("{THREE}2024-01-05,AAPL,13\n"));
    let (code, prices, stderr) = desk.feed(&[]);
    assert_eq!((code, prices), (0, vec!["13".to_owned()]), "{stderr}");
    let unkept = "q.csv: no hashes of the rows 1 to 3 were kept, which were decided: they are taken for unchanged\n";
    assert!(stderr.starts_with(unkept), "{stderr}");
    // From then on they are kept.
    desk.write("2024-01-02,AAPL,10\n2024-01-03,AAPL,99\n2024-01-04,AAPL,12\n2024-01-05,AAPL,13\n");
    let (code, _, stderr) = desk.feed(&[]);
    assert!(code == 2 && stderr.contains("data row 2 has changed"), "{stderr}");
}

#[test]
fn rows_behind_the_last_decided_one_may_change() {
    let desk = Desk::new();
    let rows: Vec<_> = (0..3_000).map(|minute| format!("{},AAPL,10\n", 1_704_153_600 + minute * 60)).collect();
    desk.write(&rows.concat());
    let mut command = desk.command(&["--feed", "q.csv", "--data-dir", "ledgers", "--rate", "200", "--output", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..100 {
        line.clear();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Rows that were read and never decided.
    let changed = rows[..2_500].concat() + "1704303600,AAPL,99\n";
    desk.write(&changed);
    let (code, prices, stderr) = desk.feed(&[]);
    assert_eq!((code, prices.last().map(String::as_str)), (0, Some("99")), "{stderr}");
    let decided: usize = stderr.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((100..2_500).contains(&decided), "{stderr}");
}

#[test]
fn a_bad_row_behind_the_check_ends_the_run_behind_the_rows_before_it() {
    let desk = Desk::new();
    let rows: Vec<_> = (0..10_500).map(|minute| format!("{},AAPL,10\n", 1_704_153_600 + minute * 60)).collect();
    desk.write(&format!("{}1704783600,AAPL\n1704783660,AAPL,10\n", rows.concat()));
    let (code, prices, stderr) = desk.feed(&[]);
    assert!(stderr.contains("error: the feed failed: q.csv: line 10502: has 2 columns, the header 3"), "{stderr}");
    assert_eq!((code, prices.len()), (1, 10_000));
    let output = desk.run(&["--feed", "q.csv", "--allow-bad-lines"]);
    let (code, _, stderr) = outcome(&output);
    assert!(code == 0 && stderr.contains("default/buyer: 10500 rows of the feed were decided earlier"), "{stderr}");
    assert!(
        stderr.contains("q.csv: line 10502: has 2 columns, the header 3: \"1704783600,AAPL\": passed over\n"),
        "{stderr}"
    );
    let summary: Value = serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!((&summary["summary"]["ticks"], &summary["summary"]["gaps"]), (&1.into(), &0.into()), "{summary}");
}

#[test]
fn files_of_several_layouts_are_merged_by_time() {
    let desk = Desk::new();
    let yahoo = "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,1,1,1,10,9,5\n2024-01-04,1,1,1,30,29,5\n";
    let kraken = "1704240000,20,0.5\n1704412800,40,0.5\n";
    fs::write(desk.path("yahoo.csv"), yahoo).unwrap();
    fs::write(desk.path("kraken.csv"), kraken).unwrap();
    let output = desk.run(&["--feed", "yahoo.csv", "kraken.csv", "--sid", "AAPL", "--sid", "XBT"]);
    let (code, prices, stderr) = outcome(&output);
    let note =
        "yahoo.csv: Yahoo: the price is Close; --price-column \"Adj Close\" takes the prices that are adjusted\n";
    assert_eq!((code, stderr.as_str()), (0, note));
    assert_eq!(prices, ["10", "20", "30", "40"]);
    fs::write(desk.path("more.csv"), "1704412800,40,0.5\n1704499200,50,0.5\n").unwrap();
    let overlap = desk.run(&["--feed", "kraken.csv", "more.csv", "--sid", "XBT"]);
    let (code, prices, stderr) = outcome(&overlap);
    assert!(
        stderr.contains("error: more.csv: line 1: repeats XBT at 2024-01-05T00:00:00Z of line 2 of kraken.csv; "),
        "{stderr}"
    );
    assert_eq!((code, prices.len()), (2, 0));
    let again = desk.run(&["--feed", "kraken.csv", "--feed", "yahoo.csv", "--sid", "XBT", "--sid", "AAPL"]);
    assert!(outcome(&again).1.is_empty());
}

#[test]
fn a_new_account_that_is_behind_leaves_the_hashes_of_the_others_rows() {
    let desk = Desk::new();
    let mut rows: Vec<_> = (0..5_000).map(|minute| format!("{},AAPL,10\n", 1_704_153_600 + minute * 60)).collect();
    desk.write(&rows.concat());
    assert_eq!(desk.feed(&[]).0, 0);
    fs::write(desk.path("late.yaml"), MANIFEST.replace("buyer", "late")).unwrap();
    let arguments =
        ["-f", "late.yaml", "--feed", "q.csv", "--data-dir", "ledgers", "--rate", "200", "--output", "json"];
    let mut child = desk.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("default/late"), "{line}");
    rows[3_999] = "1704393540,AAPL,99\n".to_owned();
    desk.write(&rows.concat());
    let (code, _, stderr) = desk.feed(&[]);
    assert!(code == 2 && stderr.contains("data row 4000 has changed; rows up to 5000 were decided"), "{stderr}");
}

#[test]
fn a_file_that_is_newest_first_goes_on_with_its_new_rows_on_top() {
    let desk = Desk::new();
    let rows = ["2024-01-04,AAPL,12\n", "2024-01-03,AAPL,11\n", "2024-01-02,AAPL,10\n"];
    desk.write(&rows.concat());
    let (code, prices, stderr) = desk.feed(&[]);
    assert!(stderr.ends_with("; the file is newest first: --reverse reads it from its end\n"), "{stderr}");
    assert_eq!((code, prices.len()), (2, 0));
    assert_eq!(desk.feed(&["--reverse"]).1, ["10", "11", "12"]);
    desk.write(&format!("2024-01-05,AAPL,13\n{}", rows.concat()));
    assert_eq!(desk.feed(&["--reverse"]).1, ["13"]);
}

#[test]
fn files_that_are_cut_short_or_no_text_start_no_run() {
    let desk = Desk::new();
    desk.write(THREE);
    let script = "gzip -c q.csv | head -c 40 > cut.csv.gz; iconv -t UTF-16 q.csv > wide.csv; \
                  gzip -c q.csv > whole.csv.gz; printf 'time,sid,close\\n2024-01-02,AA\\0PL,1\\n' > nul.csv";
    let made = Command::new("sh").current_dir(desk.0.path()).args(["-c", script]).status().unwrap();
    assert!(made.success());
    for (file, expected) in [
        ("cut.csv.gz", "the compressed file is cut short: fetch it again"),
        ("wide.csv", "`iconv -f UTF-16 -t UTF-8 FILE` makes UTF-8 of it"),
        ("nul.csv", "line 2: holds a NUL byte: \"2024-01-02,AA\\0PL,1\""),
    ] {
        let (code, prices, stderr) = outcome(&desk.run(&["--feed", file]));
        assert!(stderr.starts_with(&format!("error: {file}: ")) && stderr.contains(expected), "{stderr}");
        assert_eq!((code, prices.len()), (2, 0), "{file}");
    }
    assert_eq!(outcome(&desk.run(&["--feed", "whole.csv.gz"])).1, ["10", "11", "12"]);
}

#[test]
fn another_price_column_counts_for_new_rows_and_is_reported() {
    let desk = Desk::new();
    let head = "time,sid,open,close\n2024-01-02,AAPL,1,10\n";
    let options = ["--price-column", "close"];
    fs::write(desk.path("q.csv"), head).unwrap();
    assert_eq!(desk.feed(&options).1, ["10"]);
    fs::write(desk.path("q.csv"), format!("{head}2024-01-03,AAPL,2,20\n")).unwrap();
    let (_, prices, stderr) = desk.feed(&["--price-column", "open"]);
    let note = "q.csv: the prices are those of the column open from here on; rows up to 1 were decided by close\n";
    assert!(prices == ["2"] && stderr.starts_with(note), "{prices:?} {stderr}");
}

fn inspect(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    let output = command.current_dir(folder).args(["feed", "inspect"]).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn inspect_shows_how_a_file_is_read() {
    let desk = Desk::new();
    let text = "Date;Open;High;Low;Close;Volume\n2024-01-02;1;2;0.5;1.5;100\n2024-01-03;1;2;0.5;null;0\n2024-01-04;1;2;0.5;x;1\n";
    fs::write(desk.path("s.csv"), text).unwrap();
    let (code, stdout, stderr) = inspect(desk.0.path(), &["s.csv", "--sid", "GOOG"]);
    let expected = "s.csv
  layout       Stooq
  delimiter    semicolon
  header       Date, Open, High, Low, Close, Volume
  time         Date
  price        Close
  open         Open
  high         High
  low          Low
  volume       Volume
  symbol       GOOG (--sid)
  times        a date as in 2026-01-02
  rows         3, of them quotes: 1
  no price     rows that are passed over: 1
  span         2024-01-02T00:00:00Z to 2024-01-02T00:00:00Z
  symbols      1: GOOG
  quotes       2024-01-02T00:00:00Z GOOG 1.5 open 1 high 2 low 0.5 volume 100
  unusable     line 4: Close: \"x\" is not a decimal number
";
    assert_eq!(stdout, expected);
    assert!(code == 2 && stderr.starts_with("error: s.csv: line 4: Close: \"x\""), "{stderr}");
    let (code, _, stderr) = inspect(desk.0.path(), &["s.csv"]);
    assert!(code == 2 && stderr.contains("no column has the symbol") && stderr.contains("--sid NAME"), "{stderr}");
}

#[test]
fn a_builtin_runs_without_a_manifest_and_init_writes_its_manifest() {
    let desk = Desk::new();
    desk.write(THREE);
    let intuition = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
        command.current_dir(desk.0.path()).stdin(Stdio::null()).args(arguments).output().unwrap()
    };
    let run = |arguments: &[&str]| intuition(&[&["run", "--feed", "q.csv", "--output", "json"], arguments].concat());
    for name in ["random", "sma-crossover", "indicator-cross", "rsi-reversion"] {
        fs::write(desk.path("written.yaml"), intuition(&["init", "--builtin", name]).stdout).unwrap();
        for output in [run(&["--builtin", name]), run(&["-f", "written.yaml"])] {
            let summary = output.stdout.split(|byte| *byte == b'\n').rev().nth(1).unwrap();
            let summary: Value = serde_json::from_slice(summary).unwrap();
            assert_eq!((output.status.code(), &summary["summary"]["ticks"]), (Some(0), &3.into()));
            assert_eq!(summary["summary"]["algo"], format!("default/{name}"));
        }
    }
    for arguments in [["--builtin", "momentum"].as_slice(), &["--builtin", "random", "-f", "buyer.yaml"], &[]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn five_gigabytes_on_standard_input_need_little_memory() {
    let script = format!(
        "note=$(head -c 60000 /dev/zero | tr '\\0' x); (echo time,sid,close,size,note; yes \"1741064760,GOOG,10,1,$note\" | head -n 84000) \
         | (ulimit -v 400000; exec {} feed inspect -)",
        env!("CARGO_BIN_EXE_intuition")
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && stdout.contains("rows         84000, of them quotes: 84000"),
        "{stdout} {stderr}"
    );
}
