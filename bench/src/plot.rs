//! Plots for the documentation: figures over a logarithmic axis, drawn as SVG.

use std::fmt::Write as _;

/// Two figures of the same, one above the other.
#[derive(Debug)]
pub(crate) struct Plot {
    /// The name of its file, without its extension.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    /// What is counted from left to right.
    pub(crate) across: &'static str,
    pub(crate) panels: [Panel; 2],
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Panel {
    /// What it is, with its unit.
    pub(crate) title: &'static str,
    pub(crate) points: Points,
    /// What is drawn beside it, and whose that is.
    pub(crate) beside: Option<(&'static str, Points)>,
}

/// Across, and up.
type Points = Vec<(f64, f64)>;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 600.0;
/// From the top of each panel to its bottom.
const PANELS: [[f64; 2]; 2] = [[70.0, 210.0], [268.0, 348.0]];
/// How many steps there are between the lines of a panel.
const STEPS: u32 = 4;

/// It brings its own paper, so that it can be read on any.
const STYLE: &str = "text { font: 12px sans-serif; fill: #222 } .title { font-size: 15px } \
     .middle { text-anchor: middle } .end { text-anchor: end } line { stroke: #ddd } \
     polyline { fill: none; stroke-width: 2 } .ours { stroke: #0a6ebd } .beside { stroke: #b8860b } \
     text.ours { fill: #0a6ebd; stroke: none } text.beside { fill: #8a6508; stroke: none }";

impl Plot {
    /// It as an SVG.
    pub(crate) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#fff\"/>\n",
            self.title
        );
        text(&mut svg, "title", [LEFT, 28.0], self.title);
        for (panel, [top, bottom]) in self.panels.iter().zip(PANELS) {
            panel.draw(&mut svg, top, bottom);
        }
        text(&mut svg, "end", [RIGHT, HEIGHT - 12.0], self.across);
        svg + "</svg>\n"
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, bottom: f64) {
        let beside = self.beside.as_slice().iter().flat_map(|(_, points)| points);
        let all: Points = self.points.iter().chain(beside).copied().collect();
        let step = step(all.iter().map(|(_, y)| *y).fold(0.0, f64::max));
        let up = |y: f64| bottom - (bottom - top) * y / (step * f64::from(STEPS));
        for value in (0..=STEPS).map(|number| step * f64::from(number)) {
            line(svg, [LEFT, up(value)], [RIGHT, up(value)]);
            let value = (value * 1e3).round() / 1e3;
            text(svg, "end", [LEFT - 8.0, up(value) + 4.0], &value.to_string());
        }

        let powers = |(low, high): (f64, f64), (x, _): &(f64, f64)| {
            (low.min(x.log10().floor()), high.max(x.log10().ceil()))
        };
        let (low, high) = all.iter().fold((f64::MAX, f64::MIN), powers);
        let across = |x: f64| {
            let share = (x.log10() - low) / (high - low).max(1.0);
            LEFT + 30.0 + (RIGHT - LEFT - 60.0) * share
        };
        for power in low as i32..=high as i32 {
            let x = across(10_f64.powi(power));
            line(svg, [x, top], [x, bottom]);
            text(svg, "middle", [x, bottom + 18.0], &grouped(10_usize.pow(power.unsigned_abs())));
        }

        let place = |(x, y): &(f64, f64)| [across(*x), up(*y)];
        text(svg, "", [LEFT, top - 14.0], self.title);
        if let Some((whose, points)) = &self.beside {
            curve(svg, "beside", points.iter().map(place));
            text(svg, "end ours", [RIGHT - 80.0, top - 14.0], "polydav");
            text(svg, "end beside", [RIGHT, top - 14.0], whose);
        }
        curve(svg, "ours", self.points.iter().map(place));
        for (point, at) in self.points.iter().zip(self.points.iter().map(place)) {
            text(svg, "middle ours", [at[0], at[1] - 8.0], &format!("{:.1}", point.1));
        }
    }
}

/// The smallest round step with which the lines go well over the most.
fn step(most: f64) -> f64 {
    let least = (most * 1.15 / f64::from(STEPS)).max(1e-3);
    let power = 10_f64.powf(least.log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0].map(|factor| factor * power);
    round.into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// A number whose thousands can be told apart.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn text(svg: &mut String, class: &str, [x, y]: [f64; 2], text: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

fn line(svg: &mut String, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn curve(svg: &mut String, class: &str, places: impl Iterator<Item = [f64; 2]>) {
    let places: Vec<_> = places.map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", places.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_round_and_the_lines_go_over_the_most() {
        assert_eq!([3.0, 18.0, 52.0, 0.4].map(step), [1.0, 10.0, 20.0, 0.2]);
    }

    #[test]
    fn thousands_can_be_told_apart() {
        let all = [7, 1_000, 100_000, 1_000_000].map(grouped);
        assert_eq!(all, ["7", "1,000", "100,000", "1,000,000"]);
    }
}
