//! Where in the cluster a world is set up: in namespaces of its own names, or, so that several run side by side, in ones
//! with a suffix. Whatever names them follows: subjects, the names that DNS answers, and `${...}` of manifests.

use std::collections::BTreeMap;

use crate::rigs::kinds;

/// One place for a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    index: u8,
    suffix: String,
}

/// How many worlds can be up side by side: names for so many are answered by the cluster's DNS.
pub const PLACES: usize = 4;

/// The first place of this lab's machines. Several labs on one engine keep out of each other's way where LAB_FIRST_PLACE (and
/// LAB_CACHE) differ: 0, 4, 8 ... The cluster is the first one's.
pub fn first_place() -> u8 {
    let set = std::env::var("LAB_FIRST_PLACE").ok().and_then(|text| text.parse::<u8>().ok());
    set.unwrap_or_default().min(100)
}

impl Placement {
    /// The place of this number; the first one changes no name.
    pub fn number(index: usize) -> Self {
        let index = u8::try_from(index).unwrap_or_default();
        let letter = char::from(b'a' + index);
        Self { index, suffix: if index == 0 { String::new() } else { format!("-{letter}") } }
    }

    /// A text that names addresses of machines, which worlds write as 10.80.x.y, as it is to be read here.
    pub fn addresses(&self, text: &str) -> String {
        text.replace("10.80.", &format!("10.{}.", 80 + u16::from(self.machines_at())))
    }

    /// What the machines of this place carry in their names and labels.
    pub fn id(&self) -> String {
        self.machines_at().to_string()
    }

    fn machines_at(&self) -> u8 {
        self.index + first_place()
    }

    /// What tells this place's names apart: empty, `-b`, `-c`.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// A text in which `${ns.NAME}`, `${image.NAME}` and `${suffix}` stand for something.
    pub fn fill(&self, text: &str, namespaces: &[String], images: &BTreeMap<String, String>) -> String {
        let mut text = text.replace("${suffix}", &self.suffix);
        for name in namespaces {
            text = text.replace(&format!("${{ns.{name}}}"), &format!("{name}{}", self.suffix));
        }
        for (name, image) in images {
            text = text.replace(&format!("${{image.{name}}}"), image);
        }
        text
    }

    /// A text that names objects (`service/shop/web`) and hosts (`shop.example.test`) of the world, as it is to be read here.
    pub fn moved(&self, text: &str, namespaces: &[String], hosts: &[String]) -> String {
        let mut text = self.fill(text, namespaces, &BTreeMap::new());
        if self.suffix.is_empty() {
            return text;
        }
        for host in hosts {
            text = text.replace(host, &self.host(host));
        }
        for kind in kinds() {
            let kind = kind.kind.to_ascii_lowercase();
            for name in namespaces {
                text = text.replace(&format!("{kind}/{name}/"), &format!("{kind}/{name}{}/", self.suffix));
            }
        }
        text
    }

    /// A public name as it is here: `shop-b.example.test`.
    pub fn host(&self, name: &str) -> String {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        format!("{first}{}.{rest}", self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_names_the_world_follows() {
        let (namespaces, hosts) = (["shop".to_owned(), "edge".to_owned()], ["shop.example.test".to_owned()]);
        let text = "service/shop/web http://shop.example.test/shop ${ns.edge} role${suffix} a shop";
        assert_eq!(
            Placement::number(1).moved(text, &namespaces, &hosts),
            "service/shop-b/web http://shop-b.example.test/shop edge-b role-b a shop"
        );
        assert_eq!(
            Placement::default().moved(text, &namespaces, &hosts),
            "service/shop/web http://shop.example.test/shop edge role a shop"
        );
    }
}
