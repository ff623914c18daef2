//! A workload logs in to its database with a user or password that is not the one that lets others in.
//!
//! # What it looks like
//! The pods end as they start: the database answers, and turns the log-in down (`Access denied for user`, `password authentication
//! failed`). Other workloads use the same database with other credentials and are well. It began with a change of a setting.
//!
//! # Confirm by hand
//! `kubectl -n NS logs POD --previous` has the refusal; compare what its Secret holds with that of a workload that gets in
//! (`kubectl -n NS get secret NAME -o yaml`), and log in by hand with either.
//!
//! # Fix
//! Give the workload the credentials that the database knows, and let the pods start anew.
//!
//! # Who acts
//! The keeper of the secret: the owner of the workload, or the administrator of the database.
//!
//! # Source
//! MySQL, Troubleshooting Problems Connecting (1045); PostgreSQL, 28P01; kubernetes.io, Secrets.

use std::collections::BTreeMap;

use super::{
    Case, Cause, Finding, Lack, State, containers,
    databases::{self, Database},
};
use crate::{
    diagnosis::Fix,
    drivers::{self, Told},
    evidence::{Citation, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct DatabaseCredentialsWrong;

/// How many others must get in alike before a different user, and not only a different password, is taken for wrong.
const MANY: usize = 2;

impl Cause for DatabaseCredentialsWrong {
    fn id(&self) -> &'static str {
        "database-credentials-wrong"
    }

    fn source(&self) -> &'static str {
        include_str!("database_credentials_wrong.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        containers::examine(case.model, |workload, pod| Some((look(case.model, workload, pod)?, false)))
    }
}

fn look(model: &Model<'_>, workload: &Subject, pod: &Object) -> Option<State> {
    let told = drivers::last(model, pod.subject(), Told::Denied)?;
    let user = model.evidence.logs.of(pod.subject()).iter().filter_map(drivers::denied).next_back();
    let mut own: Vec<Database> = databases::of(model, pod);
    own.retain(|database| database.password.as_ref().is_some_and(|password| !password.value.is_empty()));
    own.retain(|database| user.is_none() || database.user.as_ref().is_none_or(|own| Some(own.value.as_str()) == user));
    // Of several that fit nobody knows which one turned it down.
    let [database] = own.as_slice() else {
        let unread = databases::unread(model, pod);
        let lack = || Lack {
            what: format!("the credentials of {workload}"),
            why: "not among its settings".to_owned(),
            how: format!("kubectl -n {} get {} {} -o yaml", workload.namespace(), workload.kind, workload.name),
            request: None,
        };
        return Some(State::Undecided(if unread.is_empty() { vec![lack()] } else { unread }));
    };
    let own = pair(database)?;
    // What others get in with, each with those who do.
    let mut good: BTreeMap<(String, String), Vec<Citation>> = BTreeMap::new();
    for other in databases::others(model, workload) {
        for theirs in databases::of(model, other).iter().filter(|theirs| theirs.service == database.service) {
            let cited = theirs.password.as_ref().map(|password| password.cited.clone());
            if let (Some(pair), Some(cited)) = (pair(theirs), cited) {
                good.entry(pair).or_default().push(cited);
            }
        }
    }
    if let Some(cited) = good.get(&own) {
        return Some(State::excluded("others get in with the same", cited.iter().take(1).cloned().collect()));
    }
    let alike = good.iter().filter(|((user, _), _)| *user == own.0).max_by_key(|(_, others)| others.len());
    let better = alike.or_else(|| {
        let mut many = good.iter().filter(|(_, others)| others.len() >= MANY);
        many.next().filter(|_| many.next().is_none())
    });
    let Some(((their_user, _), others)) = better else {
        return Some(State::Undecided(vec![Lack {
            what: format!("a log-in to {} with the credentials of {workload}", database.service),
            why: "nobody else is known to log in there with others".to_owned(),
            how: format!("log in to {} by hand with what {workload} is given", database.service),
            request: None,
        }]));
    };
    let mut evidence = vec![told, database.host.cited.clone()];
    if let Some(password) = &database.password {
        evidence.push(Citation {
            says: format!("{}: not what others log in with", password.key),
            ..password.cited.clone()
        });
    }
    let theirs = others.first().map(|cited| Citation {
        says: format!("{} ready workloads log in to {} as {their_user} with another", others.len(), database.service),
        ..cited.clone()
    });
    evidence.extend(theirs);
    let summary = format!("Give {workload} the credentials by which others log in to {}", database.service);
    Some(State::holds(evidence, Fix { summary, patch: vec![] }))
}

/// User and password.
fn pair(database: &Database) -> Option<(String, String)> {
    let user = database.user.as_ref().map(|user| user.value.clone()).unwrap_or_default();
    let password = database.password.as_ref().filter(|password| !password.value.is_empty())?;
    Some((user, password.value.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::ended;
    use crate::sketch::check;

    /// `p` and `q` use one database; `q` is well, with the password `b`; `p` has PASSWORD.
    fn world(password: &str) -> String {
        format!(
            "service a/db  selector app=db  3306 -> 3306
             pod a/db-1  app=db  ready  declares 3306
             object Secret a/own data.DB_HOST=ZGI= data.DB_PORT=MzMwNg== data.DB_USER=dQ== data.DB_PASSWORD={password}
             object Secret a/theirs data.Q_HOST=ZGI= data.Q_PORT=MzMwNg== data.Q_USER=dQ== data.Q_PASSWORD=Yg==
             deployment a/q  app=q
             pod a/q-1  app=q  ready  owner deployment/a/q
             set pod/a/q-1 spec.containers[0].envFrom[0].secretRef.name=theirs
             deployment a/p  app=p
             pod a/p-1  app=p  unready  owner deployment/a/p
             set pod/a/p-1 spec.containers[0].envFrom[0].secretRef.name=own
             {}\n",
            ended(1, "Error")
        )
    }
    const TOLD: &str = "log a/p-1  SQLException: Access denied for user 'u'@'10.0.0.9' (using password: YES)";

    #[test]
    fn holds_where_others_get_in_with_another_password() {
        check(&format!("{}{TOLD}\n=> database-credentials-wrong deployment/a/p", world("YQ==")));
    }

    #[test]
    fn twins_the_same_password_and_another_complaint() {
        check(&format!("{}{TOLD}\n=> unknown", world("Yg==")));
        check(&format!("{}log a/p-1  connection refused\n=> unknown", world("YQ==")));
    }

    #[test]
    fn unknown_where_the_secret_was_taken_out_or_nobody_else_gets_in() {
        let taken = world("YQ==")
            .replace(" data.DB_PASSWORD=YQ==", "")
            .replace("data.DB_HOST=ZGI= data.DB_PORT=MzMwNg== data.DB_USER=dQ==", "type=x");
        check(&format!("{taken}{TOLD}\n=> unknown lacks secret/a/own"));
        let alone = world("YQ==").replace("name=theirs", "name=none");
        check(&format!("{alone}{TOLD}\n=> unknown"));
    }
}
