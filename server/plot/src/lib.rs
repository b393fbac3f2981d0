//! Plots as SVG: bars and lines on logarithmic scales, and shares from 0 to 1 over one. Nothing more.
#![deny(missing_docs)]

use std::fmt::Write as _;

/// Colours that people who see few colours can tell apart (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#555555"];

const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 76.0;

/// A name and values, one for each category or point.
pub struct Series<T> {
    /// What the legend calls it.
    pub name: String,
    /// One for each category or point.
    pub values: Vec<T>,
}

/// A scale along some pixels.
#[derive(Clone, Copy)]
struct Scale {
    kind: Kind,
    low: i32,
    high: i32,
    from: f64,
    to: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// From a power of ten to a power of ten.
    Powers,
    /// From a tenth to a tenth.
    Tenths,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let (low, high) =
            logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
        if low > high {
            return Self { kind: Kind::Powers, low: 0, high: 1, from, to };
        }
        let (low, high) = (low.floor() as i32, high.ceil() as i32);
        Self { kind: Kind::Powers, low, high: high.max(low + 1), from, to }
    }

    fn shares(from: f64, to: f64) -> Self {
        Self { kind: Kind::Tenths, low: 0, high: 10, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let low = f64::from(self.low);
        let value = match self.kind {
            Kind::Powers => value.log10(),
            Kind::Tenths => value * 10.0,
        };
        let share = (value - low) / (f64::from(self.high) - low);
        self.from + share.max(0.0) * (self.to - self.from)
    }

    /// The steps of the scale and how they are written.
    fn ticks(self) -> impl Iterator<Item = (f64, String)> {
        (self.low..=self.high).map(move |power| {
            if let Kind::Tenths = self.kind {
                let value = f64::from(power) / 10.0;
                return (self.at(value), format!("{value:.1}"));
            }
            let value = 10f64.powi(power);
            let text = match power {
                6.. => format!("{}M", 10i64.pow(power as u32 - 6)),
                3..=5 => format!("{}k", 10i64.pow(power as u32 - 3)),
                0..=2 => format!("{value}"),
                _ => format!("{value:.*}", power.unsigned_abs() as usize),
            };
            (self.at(value), text)
        })
    }
}

/// Groups of bars: a group for each category, a bar for each series.
pub fn bars(
    title: &str,
    y_name: &str,
    categories: &[String],
    series: &[Series<Option<f64>>],
) -> String {
    let group = 12.0 * series.len() as f64 + 14.0;
    let width = (LEFT + RIGHT + group * categories.len() as f64).max(420.0);
    let (height, bottom) = (430.0, 300.0);
    let values = series.iter().flat_map(|series| series.values.iter().copied().flatten());
    let scale = Scale::over(values, bottom, TOP);
    let mut svg = begin(width, height, title, series.iter().map(|series| series.name.as_str()));
    horizontal(&mut svg, scale, width - RIGHT, y_name);
    for (place, category) in categories.iter().enumerate() {
        let x = LEFT + 7.0 + group * place as f64;
        for (bar, series) in series.iter().enumerate() {
            let Some(value) = series.values.get(place).copied().flatten() else { continue };
            let (left, top) = (x + 12.0 * bar as f64, scale.at(value));
            let _ = writeln!(
                svg,
                r#"<rect x="{left:.1}" y="{top:.1}" width="11" height="{:.1}" fill="{}"><title>{}, {}: {value:.3}</title></rect>"#,
                (bottom - top).max(0.5),
                colour(bar),
                escaped(category),
                escaped(&series.name),
            );
        }
        let middle = x + 6.0 * series.len() as f64;
        let (y, text) = (bottom + 12.0, escaped(category));
        let _ = writeln!(
            svg,
            r#"<text x="{middle:.1}" y="{y}" text-anchor="end" transform="rotate(-40 {middle:.1} {y})">{text}</text>"#
        );
    }
    end(svg)
}

const WIDTH: f64 = 640.0;
const BOTTOM: f64 = 360.0;

/// Lines through points, both sides logarithmic.
pub fn lines(title: &str, x_name: &str, y_name: &str, series: &[Series<(f64, f64)>]) -> String {
    let y = series.iter().flat_map(|series| series.values.iter()).map(|point| point.1);
    through(title, x_name, y_name, Scale::over(y, BOTTOM, TOP), series)
}

/// Lines through shares from 0 to 1 over a logarithmic side.
pub fn shares(title: &str, x_name: &str, y_name: &str, series: &[Series<(f64, f64)>]) -> String {
    through(title, x_name, y_name, Scale::shares(BOTTOM, TOP), series)
}

fn through(
    title: &str,
    x_name: &str,
    y_name: &str,
    y: Scale,
    series: &[Series<(f64, f64)>],
) -> String {
    let (width, height, bottom) = (WIDTH, 420.0, BOTTOM);
    let points = || series.iter().flat_map(|series| series.values.iter());
    let x = Scale::over(points().map(|point| point.0), LEFT, width - RIGHT);
    let mut svg = begin(width, height, title, series.iter().map(|series| series.name.as_str()));
    horizontal(&mut svg, y, width - RIGHT, y_name);
    for (at, text) in x.ticks() {
        let _ = writeln!(
            svg,
            r#"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}" stroke="lightgray"/><text x="{at:.1}" y="{}" text-anchor="middle">{text}</text>"#,
            bottom + 16.0
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#,
        f64::midpoint(LEFT, width - RIGHT),
        bottom + 38.0,
        escaped(x_name)
    );
    for (line, series) in series.iter().enumerate() {
        let place = |point: &(f64, f64)| (x.at(point.0), y.at(point.1));
        let shown = || series.values.iter().filter(|point| point.0 > 0.0 && point.1 > 0.0);
        let path: Vec<String> = shown().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let colour = colour(line);
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.join(" ")
        );
        for point in shown() {
            let (x, y) = place(point);
            let _ = writeln!(
                svg,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"><title>{}: {}, {:.3}</title></circle>"#,
                escaped(&series.name),
                point.0,
                point.1
            );
        }
    }
    end(svg)
}

/// The title and what the colours mean.
fn begin<'a>(width: f64, height: f64, title: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="11" fill="#222">
<rect width="{width}" height="{height}" fill="#fff"/>
<text x="{LEFT}" y="20" font-size="14">{}</text>
"##,
        escaped(title)
    );
    let (mut x, mut y) = (LEFT, 32.0);
    for (place, name) in names.enumerate() {
        let length = 30.0 + 6.5 * name.chars().count() as f64;
        if x > LEFT && x + length > width {
            (x, y) = (LEFT, y + 16.0);
        }
        let _ = writeln!(
            svg,
            r#"<rect x="{x:.1}" y="{y}" width="11" height="11" fill="{}"/><text x="{:.1}" y="{}">{}</text>"#,
            colour(place),
            x + 15.0,
            y + 10.0,
            escaped(name)
        );
        x += length;
    }
    svg
}

/// Lines at powers of ten, and what is along the side.
fn horizontal(svg: &mut String, scale: Scale, right: f64, name: &str) {
    for (at, text) in scale.ticks() {
        let _ = writeln!(
            svg,
            r#"<line x1="{LEFT}" y1="{at:.1}" x2="{right:.1}" y2="{at:.1}" stroke="lightgray"/><text x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"#,
            LEFT - 6.0,
            at + 4.0
        );
    }
    let middle = f64::midpoint(scale.from, scale.to);
    let _ = writeln!(
        svg,
        r#"<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">{}</text>"#,
        escaped(name)
    );
}

fn end(svg: String) -> String {
    svg + "</svg>\n"
}

fn colour(place: usize) -> &'static str {
    COLOURS.get(place % COLOURS.len()).copied().unwrap_or("#000")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
