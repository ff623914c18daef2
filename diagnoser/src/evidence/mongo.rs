//! What a member says of its MongoDB replica set: `services/<machine>/rs-status.json`, the answer to replSetGetStatus.

use crate::json::Value;

use super::{Citation, Fact, Services};

const STATUS: &str = "rs-status";

/// A set as one of its members sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaSet {
    /// The members; none where the server is no member of a set.
    pub members: Vec<ReplicaSetMember>,
    /// How many votes an election takes.
    pub majority: usize,
    /// Why it has no set to tell of: `NotYetInitialized: no replset config has been received`.
    pub refusal: Option<(String, Citation)>,
}

/// A member of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaSetMember {
    /// How the others call it: `store-2.example.test:27017`.
    pub name: String,
    /// Whether it is the one that says all this.
    pub own: bool,
    /// Whether the one that says it hears from it.
    pub heard: bool,
    /// What it is: `PRIMARY`, `SECONDARY`, `ARBITER`, `RECOVERING` ...
    pub state: String,
    /// Where it stands, with what came of asking it last.
    pub cited: Citation,
}

impl ReplicaSet {
    /// Whether somebody in it takes writes.
    pub fn has_primary(&self) -> bool {
        self.members.iter().any(|member| member.heard && member.state == "PRIMARY")
    }

    /// The members that are not heard from, where too few are left to elect anybody.
    pub fn missing(&self) -> Vec<&ReplicaSetMember> {
        let (heard, missing): (Vec<_>, Vec<_>) = self.members.iter().partition(|member| member.heard);
        if heard.len() < self.majority && !self.has_primary() { missing } else { vec![] }
    }
}

impl Services {
    /// The replica set, as a machine's member sees it.
    pub fn replica_set(&self, machine: &str) -> Fact<ReplicaSet> {
        let status = match self.json(machine, STATUS) {
            Fact::Seen(status) => status,
            Fact::Missed(why) => return Fact::Missed(why),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(message) = status["errmsg"].as_str() {
            let says = format!("{}: {message}", text(&status["codeName"]));
            let cited = self.cite_json(machine, STATUS, "/errmsg", says.clone());
            return Fact::Seen(ReplicaSet { members: vec![], majority: 0, refusal: Some((says, cited)) });
        }
        let Some(members) = status["members"].as_array() else {
            return Fact::Missed("it tells of no members".to_owned());
        };
        let members: Vec<ReplicaSetMember> = members
            .iter()
            .enumerate()
            .map(|(index, member)| {
                let (name, state) = (text(&member["name"]), text(&member["stateStr"]));
                let heartbeat = text(&member["lastHeartbeatMessage"]);
                let says = [name.as_str(), &state, &heartbeat].into_iter().filter(|part| !part.is_empty());
                let says = says.collect::<Vec<_>>().join(": ");
                ReplicaSetMember {
                    cited: self.cite_json(machine, STATUS, &format!("/members/{index}"), says),
                    own: member["self"].as_bool() == Some(true),
                    heard: member["health"].as_f64().is_some_and(|health| health > 0.0),
                    name,
                    state,
                }
            })
            .collect();
        let votes = status["majorityVoteCount"].as_u64().and_then(|count| count.try_into().ok());
        let majority = votes.unwrap_or(members.len() / 2 + 1);
        Fact::Seen(ReplicaSet { members, majority, refusal: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> ReplicaSet {
        let mut services = Services::default();
        services.add("m/rs-status.json", text);
        services.replica_set("m").seen().unwrap()
    }

    #[test]
    fn who_is_missing_where_no_majority_is_left() {
        let set = |b: u8, c: u8, a: &str| {
            format!(
                r#"{{"members":[{{"name":"a:1","health":1,"stateStr":"{a}","self":true}},{{"name":"b:1","health":{b},"stateStr":"SECONDARY"}},
                {{"name":"c:1","health":{c},"stateStr":"(not reachable/healthy)","lastHeartbeatMessage":"Connection refused"}}]}}"#
            )
        };
        let lost = of(&set(0, 0, "SECONDARY"));
        let names: Vec<&str> = lost.missing().iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["b:1", "c:1"]);
        assert!(lost.missing()[1].cited.says.ends_with("Connection refused"));
        assert!(of(&set(1, 0, "PRIMARY")).missing().is_empty());
        assert!(of(&set(1, 0, "SECONDARY")).missing().is_empty(), "an election will come");
    }

    #[test]
    fn no_set_is_said_in_words() {
        let none =
            of(r#"{"ok":0,"errmsg":"no replset config has been received","code":94,"codeName":"NotYetInitialized"}"#);
        assert!(none.refusal.unwrap().0.starts_with("NotYetInitialized: no replset"));
    }
}
