//! A command breaks something on a machine: its firewall, its routes, its files, one of its services.

use serde::{Deserialize, Serialize};

use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Machines, Now},
};

/// `on-host: {host: app, does: "systemctl stop nginx", undo: "systemctl start nginx", shows: "! systemctl is-active nginx"}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnHost {
    /// The machine.
    pub host: String,
    /// The shell script that breaks it.
    pub does: String,
    /// The shell script that takes it back.
    pub undo: String,
    /// A shell script that succeeds once it is broken.
    pub shows: String,
}

impl OnHost {
    /// The change, and how it is taken back.
    ///
    /// # Errors
    /// When the world has no such machine.
    pub fn mutations(&self, machines: &Machines) -> Result<Vec<Mutation>, LabError> {
        let name = machines.machine(&self.host)?.name;
        Ok(vec![Mutation::new(
            format!("on {name}: {}", self.does.trim()),
            Action::shell(&name, &self.does),
            format!("on {name}: {}", self.undo.trim()),
            Action::shell(&name, &self.undo),
        )])
    }

    /// Whether it is broken, as its own script says.
    ///
    /// # Errors
    /// When the machine cannot be reached.
    pub async fn effect(&self, machines: &Machines) -> Result<Now<String>, LabError> {
        let command = ["bash", "-c", &self.shows].map(str::to_owned);
        let output = machines.machine(&self.host)?.run(&command).await?;
        let says = output.stdout.trim().lines().last().map_or("yes", |line| line).to_owned();
        Ok(if output.code == 0 { Now::Holds(says) } else { Now::NotYet(output.why()) })
    }
}
