//! Markdown tables on stdout; progress and errors go to stderr.

use std::io::{self, Write};

/// A table with one line on how it was measured.
pub struct Table {
    title: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
    method: String,
}

/// The columns of a comparison: [`Table::compare`] fills them.
pub const COMPARISON: &[&str] = &["measured", "Flotilla", "against", "ratio", "target", "verdict"];

impl Table {
    pub fn new(title: &'static str, columns: &'static [&'static str], method: impl Into<String>) -> Self {
        Self { title, columns, rows: Vec::new(), method: method.into() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// A row of [`COMPARISON`]; `met` is `None` where there is no target.
    pub fn compare(&mut self, cells: [String; 4], target: &str, met: Option<bool>) {
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        self.row(cells.into_iter().chain([target.to_owned(), verdict.to_owned()]));
    }

    pub fn print(&self) -> anyhow::Result<()> {
        Self::print_line(&self.markdown())
    }

    pub fn print_line(text: &str) -> anyhow::Result<()> {
        writeln!(io::stdout().lock(), "{text}")?;
        Ok(())
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let columns: Vec<_> = self.columns.iter().map(|&column| column.to_owned()).collect();
        let rule = vec!["---".to_owned(); columns.len()];
        let body: String = self.rows.iter().map(|row| line(row)).collect();
        format!("### {}\n\n{}{}{body}\n{}\n", self.title, line(&columns), line(&rule), self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_with_its_method_below() {
        let mut table = Table::new("Decode", COMPARISON, "Seven rounds.");
        table.compare(["one chat".into(), "97".into(), "100".into(), "0.97".into()], "≥ 0.95", Some(true));

        let expected = "### Decode\n\n\
            | measured | Flotilla | against | ratio | target | verdict |\n\
            | --- | --- | --- | --- | --- | --- |\n\
            | one chat | 97 | 100 | 0.97 | ≥ 0.95 | met |\n\
            \nSeven rounds.\n";
        assert_eq!(table.markdown(), expected);
    }
}
