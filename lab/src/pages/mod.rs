//! The markup: templates, one style sheet and one small script, all of them in the program. `lab serve --web` and
//! `lab report --format html` write their pages with it. What may not enter: decisions; a template shows what it is given.
//!
//! Evidence is anyone's text: every template escapes what it is given, and nothing here marks text as safe.

pub mod view;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("style.css");
/// What saves reloading; the pages work without it.
pub const SCRIPT: &str = include_str!("page.js");

const TEMPLATES: [(&str, &str); 12] = [
    ("base.html", include_str!("base.html")),
    ("board.html", include_str!("board.html")),
    ("catalogue.html", include_str!("catalogue.html")),
    ("debrief.html", include_str!("debrief.html")),
    ("evidence.html", include_str!("evidence.html")),
    ("file.html", include_str!("file.html")),
    ("incident.html", include_str!("incident.html")),
    ("lead.html", include_str!("lead.html")),
    ("live.html", include_str!("live.html")),
    ("message.html", include_str!("message.html")),
    ("parts.html", include_str!("parts.html")),
    ("report.html", include_str!("report.html")),
];

/// The templates, read once.
pub struct Pages(Environment<'static>);

impl Default for Pages {
    fn default() -> Self {
        Self::new()
    }
}

impl Pages {
    /// # Panics
    /// When a template of the program is not well-formed, which a test rules out.
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).expect("the program's own templates are well-formed");
        }
        Self(environment)
    }

    /// A page.
    ///
    /// # Errors
    /// When the template names something that it was not given, which is a bug.
    pub fn render(&self, name: &str, given: impl Into<Value>) -> Result<String, minijinja::Error> {
        self.0.get_template(name)?.render(given)
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn every_template_is_well_formed_and_escapes() {
        let mut names = TEMPLATES.map(|(name, _)| name);
        names.sort_unstable();
        assert_eq!(names, TEMPLATES.map(|(name, _)| name), "sorted");
        let site = context! { here => "", me => "", lead => false, follow => "" };
        let page = Pages::new().render("message.html", context! { site, title => "<b>", says => "&" });
        let page = page.expect("a page");
        assert!(page.contains("&lt;b&gt;") && page.contains("&amp;") && !page.contains("<b>"), "{page}");
    }
}
