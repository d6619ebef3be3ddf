//! The figures, their goals, and whether they are met.

use std::fmt::Write as _;

use crate::plot::Plot;

/// A mebibyte, in bytes.
pub(crate) const MEBIBYTE: f64 = 1_048_576.0;

/// The page, but for what was measured.
const PAGE: &str = include_str!("page.md");

/// What a figure is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// This much, of this.
    AtMost(f64, &'static str),
    /// No less than this much.
    AtLeast(f64, &'static str),
}

#[derive(Debug)]
struct Line {
    what: String,
    aspect: &'static str,
    figures: String,
    held: Option<(f64, Goal)>,
}

/// All lines, in the order of measuring.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
    plots: Vec<Plot>,
}

impl Report {
    /// Adds a figure that is held to a goal: `value` is what counts of it.
    pub(crate) fn add(
        &mut self,
        what: &str,
        aspect: &'static str,
        figures: String,
        value: f64,
        goal: Goal,
    ) {
        self.push(Line { what: what.to_owned(), aspect, figures, held: Some((value, goal)) });
    }

    /// Adds a figure that is only told.
    pub(crate) fn note(&mut self, what: &str, aspect: &'static str, figures: String) {
        self.push(Line { what: what.to_owned(), aspect, figures, held: None });
    }

    fn push(&mut self, line: Line) {
        println!("{}: {}: {} ({})", line.what, line.aspect, line.figures, line.verdict());
        self.lines.push(line);
    }

    /// The table, as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table =
            String::from("| work | of it | measured | goal | |\n|---|---|---|---|---|\n");
        for line in &self.lines {
            let Line { what, aspect, figures, .. } = line;
            let (goal, verdict) = (line.goal(), line.verdict());
            let _ = writeln!(table, "| {what} | {aspect} | {figures} | {goal} | {verdict} |");
        }
        table
    }

    /// Adds a plot.
    pub(crate) fn draw(&mut self, plot: Plot) {
        self.plots.push(plot);
    }

    /// The page for the documentation.
    pub(crate) fn page(&self, machine: &str, runs: usize) -> String {
        let plot =
            |Plot { title, file, .. }: &Plot| format!("![{title}](performance/{file}.svg)\n");
        let plots: String = self.plots.iter().map(plot).collect();
        PAGE.replace("{runs}", &runs.to_string())
            .replace("{table}", &self.table())
            .replace("{plots}", &plots)
            .replace("{machine}", machine)
    }

    /// The plots that the page has.
    pub(crate) fn plots(&self) -> &[Plot] {
        &self.plots
    }
}

impl Line {
    fn goal(&self) -> String {
        match self.held {
            Some((_, Goal::AtMost(most, unit))) => format!("≤ {most} {unit}"),
            Some((_, Goal::AtLeast(least, unit))) => format!("≥ {least} {unit}"),
            None => String::new(),
        }
    }

    fn verdict(&self) -> String {
        let Some((value, goal)) = self.held else { return String::new() };
        let (is_met, unit) = match goal {
            Goal::AtMost(most, unit) => (value <= most, unit),
            Goal::AtLeast(least, unit) => (value >= least, unit),
        };
        let verdict = if is_met { "pass" } else { "**miss**" };
        format!("{verdict}: {value:.2} {unit}")
    }
}
