//! What the program prints at a terminal, as a picture: a command, then its answer line by line. It follows the reader's light or
//! dark scheme, and stands still for who wants no motion.

use std::fmt::Write;

use anstyle_svg::Term;

/// When the first line of the answer comes, and how long after it each other one, in seconds.
const FIRST: f64 = 0.9;
const EACH: f64 = 0.05;

/// The colours of both schemes, and how lines wait for their time.
const SCHEMES: &str = "
    @media (prefers-color-scheme: light) {
      .fg { fill: #1d1f22 } .bg { fill: #f6f5f2 } .fg-red { fill: #b3261e } .fg-green { fill: #1e6b3a }
    }
    @media (prefers-color-scheme: dark) {
      .fg { fill: #e6e4df } .bg { fill: #1e2125 } .fg-red { fill: #ff8f85 } .fg-green { fill: #7fd09a }
    }
    .dimmed { opacity: .75 }
    @keyframes wait { from, to { visibility: hidden } }
    @media (prefers-reduced-motion: reduce) { .container > tspan { animation: none !important } }
";

/// The picture of a command and of what it answered, in the colours of a terminal.
///
/// # Panics
/// When the picture has no style sheet to add to.
pub fn svg(command: &str, answer: &str) -> String {
    let picture = Term::new().render_svg(&format!("$ {command}\n{answer}"));
    let mut style = String::from(SCHEMES);
    for (line, _) in answer.lines().enumerate() {
        let at = FIRST + EACH * line as f64;
        writeln!(style, "    .container > tspan:nth-child({}) {{ animation: wait {at:.2}s }}", line + 2).ok();
    }
    let (before, after) = picture.split_once("</style>").expect("a style sheet");
    format!("{before}{}  </style>{after}", style.trim_start())
}
