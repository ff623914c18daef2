//! What a Corefile makes CoreDNS answer for: as much of its form as the question of a zone needs.
//!
//! Source: coredns.io, manual, "Configuration"; plugin/kubernetes (zones; without any, those of the server block).

/// A server block: the zones it answers for, and those of its `kubernetes` plugin.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    zones: Vec<String>,
    kubernetes: Option<Kubernetes>,
    /// Parts of it stand elsewhere.
    imports: bool,
}

/// The plugin that knows Services.
#[derive(Debug, PartialEq, Eq)]
struct Kubernetes {
    /// From 1.
    line: usize,
    /// As they stand there.
    zones: Vec<String>,
}

/// What is said of a domain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// Services are answered for under it.
    Yes,
    /// They are not; where the plugin stands (its line) with these zones, if it does.
    No(Option<(usize, Vec<String>)>),
    /// Parts stand in other files.
    Elsewhere,
}

/// Whether Services are answered for under a domain.
pub(super) fn serves(corefile: &str, domain: &str) -> Serves {
    let blocks = blocks(corefile);
    let longest = |block: &Block| block.zones.iter().filter(|zone| covers(zone, domain)).map(String::len).max();
    let Some(block) = blocks.iter().filter(|block| longest(block).is_some()).max_by_key(|block| longest(block)) else {
        return if blocks.iter().any(|block| block.imports) { Serves::Elsewhere } else { Serves::No(None) };
    };
    match &block.kubernetes {
        Some(plugin) => {
            let zones = if plugin.zones.is_empty() { &block.zones } else { &plugin.zones };
            if zones.iter().any(|zone| covers(zone, domain)) {
                Serves::Yes
            } else {
                Serves::No(Some((plugin.line, plugin.zones.clone())))
            }
        }
        None if block.imports => Serves::Elsewhere,
        None => Serves::No(None),
    }
}

/// The file with another zone in the plugin's line: in place of the first that is not for reverse look-ups, or as one more.
pub(super) fn with_zone(corefile: &str, line: usize, domain: &str) -> String {
    let mut lines: Vec<String> = corefile.split('\n').map(str::to_owned).collect();
    if let Some(text) = line.checked_sub(1).and_then(|index| lines.get_mut(index)) {
        let wrong =
            text.split_whitespace().skip(1).find(|word| *word != "{" && !word.trim_end_matches('.').ends_with(".arpa"));
        *text = match wrong {
            Some(wrong) => text.replacen(&format!(" {wrong}"), &format!(" {domain}"), 1),
            None => text.replacen("kubernetes", &format!("kubernetes {domain}"), 1),
        };
    }
    lines.join("\n")
}

fn covers(zone: &str, domain: &str) -> bool {
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let (zone, domain) = (plain(zone), plain(domain));
    zone.is_empty() || domain == zone || domain.ends_with(&format!(".{zone}"))
}

fn blocks(corefile: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_usize;
    let mut keys: Vec<String> = Vec::new();
    for (index, line) in corefile.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        let opens = line.ends_with('{');
        match depth {
            0 if *first == "}" => {}
            0 => {
                keys.extend(
                    words
                        .iter()
                        .filter(|word| **word != "{")
                        .flat_map(|word| word.split(','))
                        .filter(|w| !w.is_empty())
                        .map(zone),
                );
                if opens {
                    blocks.push(Block { zones: std::mem::take(&mut keys), kubernetes: None, imports: false });
                }
            }
            1 => {
                if let Some(block) = blocks.last_mut() {
                    block.imports |= *first == "import";
                    if *first == "kubernetes" {
                        let zones = words[1..]
                            .iter()
                            .filter(|word| !matches!(**word, "{" | "}"))
                            .map(|word| (*word).to_owned());
                        block.kubernetes = Some(Kubernetes { line: index + 1, zones: zones.collect() });
                    }
                }
            }
            _ => {}
        }
        if opens {
            depth += 1;
        } else if line.ends_with('}') {
            depth = depth.saturating_sub(1);
        }
    }
    blocks
}

/// The zone of a key: `dns://example.org:53`, `.:53`.
fn zone(key: &str) -> String {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    key.split_once(':').map_or(key, |(zone, _)| zone).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = ".:53 {\n    errors # all\n    kubernetes cluster.local in-addr.arpa {\n        pods insecure\n    }\n    forward . /etc/resolv.conf\n}\nexample.org:53 {\n    forward . 192.0.2.1\n}\n";

    #[test]
    fn the_longest_zone_answers_and_the_plugins_zones_decide() {
        assert_eq!(serves(FILE, "cluster.local"), Serves::Yes);
        assert_eq!(
            serves(FILE, "other.local"),
            Serves::No(Some((3, vec!["cluster.local".into(), "in-addr.arpa".into()])))
        );
        assert_eq!(serves(FILE, "k8s.example.org"), Serves::No(None));
        assert_eq!(serves("cluster.local {\n kubernetes\n}\n", "cluster.local"), Serves::Yes);
        assert_eq!(serves("example.org {\n kubernetes\n}\n", "cluster.local"), Serves::No(None));
        assert_eq!(serves(". {\n import x\n}\n", "cluster.local"), Serves::Elsewhere);
        assert_eq!(serves("a.b, dns://cluster.local:53 {\n kubernetes .\n}\n", "cluster.local"), Serves::Yes);
    }

    #[test]
    fn another_zone_in_place_of_the_wrong_one() {
        let mended = with_zone(FILE, 3, "other.local");
        assert_eq!(serves(&mended, "other.local"), Serves::Yes);
        assert_eq!(mended.lines().count(), FILE.lines().count());
        assert_eq!(with_zone("kubernetes {\n}", 1, "a.b"), "kubernetes a.b {\n}");
    }
}
