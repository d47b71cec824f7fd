//! Several files as one stream of rows, by time.

use std::collections::VecDeque;

use crate::{
    error::FileError,
    order::{Order, Place, moment},
    reader::{CHECKED_ROWS, DataRow, QuoteFile},
    row::{Content, Part, Row},
};

/// Files whose rows are merged by time. At equal times the earlier file comes first.
pub struct Merged {
    files: Vec<QuoteFile>,
    /// The next row of each file, once it was read.
    heads: Vec<Option<DataRow>>,
    /// The last time of each file.
    last: Vec<i64>,
    order: Order,
    has_begun: bool,
    /// Rows that were read for the check.
    checked: VecDeque<(usize, DataRow)>,
}

impl Merged {
    /// Of files that were opened and checked.
    pub fn new(files: Vec<QuoteFile>) -> Self {
        let count = files.len();
        Self {
            files,
            heads: Vec::new(),
            last: vec![i64::MIN; count],
            order: Order::default(),
            has_begun: false,
            checked: VecDeque::new(),
        }
    }

    /// The first row that cannot be used beside the other files, among the first 10,000 of all. With `allow_bad_lines` it is
    /// none.
    pub fn check(&mut self, allow_bad_lines: bool) -> Result<(), FileError> {
        while self.files.len() > 1 && self.checked.len() < CHECKED_ROWS {
            let Some((index, row)) = self.read()? else { break };
            if let (Content::Unusable { complaint, .. }, Some(file)) = (&row.content, self.files.get(index))
                && !allow_bad_lines
            {
                return Err(file.refuse(row.line, complaint));
            }
            self.checked.push_back((index, row));
        }
        Ok(())
    }

    /// The files, in their order.
    pub fn files(&self) -> &[QuoteFile] {
        &self.files
    }

    /// The next row, and the index of its file; `None`: the end of all files.
    pub fn next_row(&mut self) -> Result<Option<(usize, DataRow)>, FileError> {
        self.checked.pop_front().map_or_else(|| self.read(), |row| Ok(Some(row)))
    }

    fn read(&mut self) -> Result<Option<(usize, DataRow)>, FileError> {
        if let [file] = self.files.as_mut_slice() {
            return file.next_row().map(|row| row.map(|row| (0, row)));
        }
        if !self.has_begun {
            self.heads = self.files.iter_mut().map(QuoteFile::next_row).collect::<Result<_, _>>()?;
            self.has_begun = true;
        }
        // A row without a quote has no time: it comes before its file's next one.
        let first = self.heads.iter().enumerate().filter_map(|(index, head)| Some((time(head.as_ref()?), index))).min();
        let Some((_, index)) = first else { return Ok(None) };
        let (Some(file), Some(head)) = (self.files.get_mut(index), self.heads.get_mut(index)) else { return Ok(None) };
        let Some(mut row) = std::mem::replace(head, file.next_row()?) else { return Ok(None) };
        if let Content::Quote(quote) = &row.content
            && let Some(content) = self.judge(index, row.line, quote)
        {
            row.content = content;
        }
        Ok(Some((index, row)))
    }

    /// The complaint about a quote that is out of its file's order, or that another file has too.
    fn judge(&mut self, index: usize, line: u64, quote: &Row) -> Option<Content> {
        let last = self.last.get_mut(index)?;
        if quote.time_micros < *last {
            let (now, before) = (moment(quote.time_micros), moment(*last));
            let complaint = format!(
                "the time {now} is before {before} in an earlier line: files that are merged have to be in the order of time"
            );
            return Some(Content::unusable(Part::Order, complaint));
        }
        *last = quote.time_micros;
        let file = self.files.get(index)?;
        self.order.take(quote, Place { file: Some(file.name().into()), line }, file.alike())
    }
}

/// The place of a row in the order of time.
fn time(row: &DataRow) -> i64 {
    match &row.content {
        Content::Quote(quote) => quote.time_micros,
        Content::NoPrice | Content::Unusable { .. } => i64::MIN,
    }
}
