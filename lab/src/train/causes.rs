//! Which cause a trainee means by `port mismatch` or `nobody listens`: the one whose id and title have most of these words.

use std::collections::BTreeMap;

use diagnoser::causes::references;

/// Words that say nothing of a cause.
const EMPTY: [&str; 16] =
    ["a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "that", "the", "to"];

/// A cause is meant only where at least this share of what was said is in its words,
const LEAST: f64 = 0.5;
/// and the others that might be meant are this much further off.
const CLEAR: f64 = 0.12;
/// More are not asked about.
const MOST: usize = 5;

/// The words of a cause.
struct Words {
    id: &'static str,
    of_id: Vec<String>,
    of_title: Vec<String>,
}

/// The causes a text may mean, the likeliest first: one where it is clear. `kind` is that of the object it was said of.
pub(super) fn meant(text: &str, kind: &str) -> Vec<&'static str> {
    let all: Vec<Words> = references()
        .into_iter()
        .map(|reference| Words {
            id: reference.id,
            of_id: words(reference.id),
            of_title: words(reference.title.split("\n\n").next().unwrap_or_default()),
        })
        .collect();
    let dashed = text.trim().to_lowercase().replace([' ', '_'], "-");
    if let Some(exact) = all.iter().find(|cause| cause.id == dashed) {
        return vec![exact.id];
    }
    let rarity = rarity(&all);
    let said = words(text);
    let mut scored: Vec<(f64, &'static str)> = all
        .iter()
        .map(|cause| (score(&said, kind, cause, &rarity), cause.id))
        .filter(|(score, _)| *score >= LEAST)
        .collect();
    scored.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.cmp(other)));
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    scored.into_iter().take_while(|(score, _)| best - score < CLEAR).take(MOST).map(|(_, id)| id).collect()
}

/// The share of what was said that is in the cause's words, a little more where its id begins with the kind of the object and
/// where little of the id was left unsaid.
fn score(said: &[String], kind: &str, cause: &Words, rarity: &BTreeMap<String, f64>) -> f64 {
    let weight = |word: &str| rarity.get(word).copied().unwrap_or(1.0);
    let whole: f64 = said.iter().map(|word| weight(word)).sum();
    if whole == 0.0 {
        return 0.0;
    }
    let found = |word: &String| {
        let among = |words: &[String]| words.iter().any(|other| alike(word, other));
        let share = if among(&cause.of_id) {
            1.0
        } else if among(&cause.of_title) {
            0.6
        } else {
            0.0
        };
        share * weight(word)
    };
    let covered = said.iter().map(found).sum::<f64>() / whole;
    let unsaid = cause.of_id.iter().filter(|word| *word != kind && !said.iter().any(|said| alike(said, word))).count();
    let of_kind = cause.of_id.first().is_some_and(|word| word == kind);
    let bonus = if covered > 0.0 && of_kind { 0.2 } else { 0.0 };
    covered + bonus - 0.1 * unsaid as f64
}

/// How much a word tells: the fewer causes have it, the more.
fn rarity(all: &[Words]) -> BTreeMap<String, f64> {
    let mut count: BTreeMap<String, f64> = BTreeMap::new();
    for cause in all {
        for word in &cause.of_id {
            *count.entry(word.clone()).or_default() += 1.0;
        }
    }
    count.into_iter().map(|(word, count)| (word, 1.0 / (1.0 + count.ln()))).collect()
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && !EMPTY.contains(word));
    words.map(str::to_owned).collect()
}

/// The same word, in another form or with a slip of the hand.
fn alike(one: &str, other: &str) -> bool {
    const STEM: usize = 4;
    let shorter = one.len().min(other.len());
    let stem = shorter >= STEM && one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count() >= shorter.min(5);
    one == other || stem || (shorter > STEM && strsim::normalized_damerau_levenshtein(one, other) >= 0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_say_finds_the_cause() {
        for (said, kind, cause) in [
            ("port mismatch", "service", "service-port-mismatch"),
            ("port mismatch", "ingress", "ingress-port-mismatch"),
            ("pod not listening", "deployment", "process-not-listening"),
            ("listens on loopback only", "host", "listen-loopback-only"),
            ("listens on the wrong port", "host", "listen-wrong-port"),
            ("disk is full", "host", "disk-full"),
            ("selector mismach", "service", "service-selector-mismatch"),
            ("service_port_mismatch", "", "service-port-mismatch"),
            ("no space for inodes", "node", "inode-exhaustion"),
            ("kubelet stopped", "node", "kubelet-stopped"),
        ] {
            assert_eq!(meant(said, kind).first(), Some(&cause), "{said}: {:?}", meant(said, kind));
        }
    }

    #[test]
    fn every_id_means_itself_and_nonsense_means_nothing() {
        for reference in references() {
            assert_eq!(meant(reference.id, ""), [reference.id]);
            assert_eq!(meant(&reference.id.replace('-', " "), ""), [reference.id]);
        }
        assert!(meant("the moon", "").is_empty());
        assert!(meant("", "service").is_empty());
    }

    #[test]
    fn what_may_be_several_is_asked_about() {
        assert!(meant("mismatch", "").len() > 1);
    }
}
