//! What every reader of printed text has to stand, for tests.

use std::fmt::Debug;

use proptest::{prelude::*, sample::select, test_runner::TestRunner};

/// Cuts the fixtures everywhere, and mixes and damages their lines: the reader never panics. Cut at the end of a line it finds
/// the first of what it found in all; ends of lines as on Windows make no difference.
pub(super) fn stands<T: PartialEq + Debug>(fixtures: &[&str], rows: impl Fn(&str) -> Vec<T>) {
    let mut lines = Vec::new();
    for fixture in fixtures {
        let all = rows(fixture);
        assert_eq!(rows(&fixture.replace('\n', "\r\n")), all, "with CRLF: {fixture}");
        for (cut, c) in fixture.char_indices() {
            let part = rows(&fixture[..cut]);
            if c == '\n' {
                assert!(all.starts_with(&part), "cut before {:?}: {part:?} of {all:?}", &fixture[cut..]);
            }
        }
        lines.extend(fixture.lines().map(str::to_owned));
    }
    let damaged = (select(lines.clone()), any::<prop::sample::Index>(), any::<char>()).prop_map(|(line, at, with)| {
        let at = at.index(line.len() + 1);
        line.char_indices().map(|(i, c)| if i == at { with } else { c }).collect::<String>()
    });
    let line = prop_oneof![3 => select(lines), 3 => damaged, 1 => any::<String>()];
    let text = (prop::collection::vec(line, 0..12), any::<prop::sample::Index>());
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    let tried = TestRunner::new(config).run(&text, |(lines, at)| {
        let text = lines.join("\n");
        let cut = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect::<Vec<_>>();
        rows(&text[..*at.get(&cut)]);
        rows(&text);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}
