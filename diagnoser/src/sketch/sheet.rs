//! A sketch, line by line, made into the files of an evidence folder.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::subject::Subject;

/// When the sketched evidence was taken; pods are ten minutes older.
const COLLECTED: &str = "2026-01-01T12:00:00Z";
const BORN: &str = "2026-01-01T11:50:00Z";

/// Resources that count as listed unless the sketch says `missed`.
const LISTED: [&str; 29] = [
    "clusterrolebindings",
    "clusterroles",
    "configmaps",
    "controllerrevisions",
    "cronjobs",
    "daemonsets",
    "deployments",
    "destinationrules",
    "endpointslices",
    "events",
    "ingressclasses",
    "ingresses",
    "jobs",
    "namespaces",
    "networkpolicies",
    "nodes",
    "peerauthentications",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "replicasets",
    "resourcequotas",
    "secrets",
    "serviceaccounts",
    "serviceentries",
    "services",
    "statefulsets",
    "storageclasses",
    "virtualservices",
];

/// What a sketch is made into before it becomes files.
#[derive(Default)]
struct Sheet {
    objects: Vec<Value>,
    probes: Vec<Value>,
    files: BTreeMap<String, String>,
    missed: Vec<Value>,
    traffic: Vec<Value>,
    nodes: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    /// Machines, each with the rules of its packet filter by hook.
    machines: BTreeMap<String, Vec<(String, String)>>,
    without: Vec<String>,
}

/// The evidence folder of a sketch.
pub(crate) fn evidence(text: &str) -> BTreeMap<String, String> {
    let mut sheet = Sheet::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        sheet.line(line, &words).unwrap_or_else(|| panic!("not a line of a sketch: {line}"));
    }
    sheet.finish()
}

impl Sheet {
    fn line(&mut self, line: &str, words: &[&str]) -> Option<()> {
        match *words.first()? {
            "service" => {
                let mut object = self.object("v1", "Service", words[1]);
                let arrow = words.iter().position(|word| *word == "->")?;
                let number = |word: &str| word.parse::<u16>().map_or_else(|_| json!(word), |n| json!(n));
                object["spec"] = json!({"clusterIP": format!("10.96.0.{}", self.objects.len() + 1), "selector": labels(after(words, "selector")?),
                    "ports": [{"port": number(words[arrow - 1]), "targetPort": number(words[arrow + 1]), "protocol": "TCP"}]});
                self.objects.push(object);
            }
            "deployment" => {
                let mut object = self.object("apps/v1", "Deployment", words[1]);
                let labels = labels(words.get(2)?);
                object["spec"] = json!({"replicas": 1, "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c"}]}}});
                if let Some(limit) = after(words, "limit") {
                    object["spec"]["template"]["spec"]["containers"][0]["resources"] =
                        json!({"limits": {"memory": limit}});
                }
                self.objects.push(object);
            }
            "pod" => self.pod(words)?,
            "ingress" => {
                let mut object = self.object("networking.k8s.io/v1", "Ingress", words[1]);
                object["spec"] = json!({"rules": [{"host": words[2], "http": {"paths": [{"path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": words[4], "port": {"number": 80}}}}]}}]});
                self.objects.push(object);
            }
            "policy" => {
                let mut object = self.object("networking.k8s.io/v1", "NetworkPolicy", words[1]);
                let ingress = match after(words, "from") {
                    Some(namespace) => {
                        json!([{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                        "podSelector": {"matchLabels": labels(words.last()?)}}]}])
                    }
                    None => json!([]),
                };
                object["spec"] = json!({"podSelector": {"matchLabels": labels(after(words, "selects")?)}, "policyTypes": ["Ingress"], "ingress": ingress});
                self.objects.push(object);
            }
            "event" => {
                let subject: Subject = words[1].parse().ok()?;
                let name = format!("{}.{}", subject.name, self.objects.len());
                let place = if subject.namespace.is_some() { subject.namespace() } else { "default" };
                let mut object = self.object("v1", "Event", &format!("{place}/{name}"));
                object["involvedObject"] =
                    json!({"kind": kind_name(&subject.kind), "namespace": subject.namespace, "name": subject.name});
                object["type"] = json!("Warning");
                object["reason"] = json!(words[2]);
                object["message"] = json!(words[3..].join(" "));
                object["lastTimestamp"] = json!(COLLECTED);
                self.objects.push(object);
            }
            "log" => {
                let text = line.splitn(3, char::is_whitespace).nth(2)?.trim();
                let file = self.files.entry(format!("logs/{}_c.txt", words[1].replace('/', "_"))).or_default();
                file.push_str(&format!("{text}\n"));
            }
            kind @ ("inodes" | "space") => {
                let mut table = String::from("Filesystem Total Used Free Use% Mounted on\n");
                for row in words[2..].chunks(5) {
                    let (free, total): (u64, u64) = (row[1].parse().ok()?, row[3].parse().ok()?);
                    table += &format!("tmpfs {total} {} {free} 0% {}\n", total - free, row[0]);
                }
                let fact = if kind == "inodes" { "df-inodes" } else { "df" };
                self.files.insert(format!("hosts/{}/{fact}.txt", words[1]), table);
                self.nodes.insert(words[1].to_owned());
            }
            "conntrack" => {
                let host = words[1];
                let stats = |drop: &str| {
                    format!("cpu=0 found=0 invalid=0 insert=0 insert_failed=0 drop={drop} early_drop=0 error=0\n")
                };
                let sysctl = format!(
                    "net.netfilter.nf_conntrack_count = {}\nnet.netfilter.nf_conntrack_max = {}\n",
                    words[2], words[4]
                );
                self.files.insert(format!("hosts/{host}/sysctl.txt"), sysctl);
                self.files.insert(format!("hosts/{host}/conntrack.earlier.txt"), stats(words[6]));
                self.files.insert(format!("hosts/{host}/conntrack.txt"), stats(words[8]));
                self.nodes.insert(host.to_owned());
            }
            "machine" => self.machine(words)?,
            "route" => {
                let routes = self.files.get_mut(&format!("hosts/{}/ip-route.txt", words[1]))?;
                let route = words[2..].join(" ");
                match route.strip_prefix("- ") {
                    Some(route) => *routes = routes.replace(&format!("{route}\n"), ""),
                    None => routes.push_str(&format!("{route}\n")),
                }
            }
            "filter" => {
                let rules = self.machines.get_mut(words[1])?;
                rules.push((words[2].to_owned(), words[3..].join(" ")));
            }
            "unit" => {
                let text = format!(
                    "* {0}.service - {0}\n     Active: {1} since Thu 2026-01-01 11:59:00 UTC; 1min ago\n",
                    words[2],
                    words[3..].join(" ")
                );
                self.files.insert(format!("hosts/{}/systemctl-{}.txt", words[1], words[2]), text);
            }
            "without" => self.without.push(words[1].to_owned()),
            "probe" => self.probe(words)?,
            "set" => {
                let fields = fields(line)?;
                let of = |object: &Value| {
                    let kind = object["kind"].as_str().unwrap_or_default();
                    let named = Subject { kind: kind.to_ascii_lowercase().into(), ..place(&object["metadata"]) };
                    named.to_string() == words[1]
                };
                let object = self.objects.iter_mut().rev().find(|object| of(object))?;
                fields.into_iter().for_each(|(path, value)| put(object, &path, value));
            }
            "earlier" => self.earlier(line, words)?,
            "object" => {
                let mut object = match words[2].split_once('/') {
                    Some(_) => self.object("v1", words[1], words[2]),
                    None => {
                        json!({"apiVersion": "v1", "kind": words[1], "metadata": {"name": words[2], "creationTimestamp": BORN}})
                    }
                };
                fields(line)?.into_iter().for_each(|(path, value)| put(&mut object, &path, value));
                self.objects.push(object);
            }
            "request" => self.request(line)?,
            "table" => {
                let rows: Vec<String> = line.split('|').skip(1).map(table_row).collect();
                let (heading, rows) = rows.split_first()?;
                let rule = heading.split('|').map(|_| "---").collect::<Vec<_>>().join("+");
                self.files.insert(words[1].to_owned(), format!("{heading}\n{rule}\n{}\n", rows.join("\n")));
            }
            "file" => {
                // Blanks at the beginning of a line are written `>`.
                let line_of =
                    |line: &str| line.trim().replacen('>', "    ", usize::from(line.trim().starts_with('>'))) + "\n";
                let text = line.split_once('|')?.1.split('|').map(line_of).collect();
                self.files.insert(words[1].to_owned(), text);
            }
            "missed" => self.missed.push(json!({"what": words[1], "why": words[2..].join(" ")})),
            _ => return None,
        }
        Some(())
    }

    fn object(&mut self, version: &str, kind: &str, place: &str) -> Value {
        let (namespace, name) = place.split_once('/').unwrap_or_else(|| panic!("{place} is not namespace/name"));
        self.namespaces.insert(namespace.to_owned());
        json!({"apiVersion": version, "kind": kind, "metadata": {"namespace": namespace, "name": name, "creationTimestamp": BORN}})
    }

    fn pod(&mut self, words: &[&str]) -> Option<()> {
        let mut object = self.object("v1", "Pod", words[1]);
        let node = after(words, "on").unwrap_or("n1").to_owned();
        let creating = words.contains(&"creating");
        let ready = words.contains(&"ready");
        let mut container = json!({"name": "c"});
        if let Some(port) = after(words, "declares") {
            container["ports"] = json!([{"containerPort": port.parse::<u16>().ok()?}]);
        }
        if let Some(port) = after(words, "checked") {
            container["readinessProbe"] = json!({"httpGet": {"path": "/", "port": port.parse::<u16>().ok()?}});
        }
        if let Some(limit) = after(words, "limit") {
            container["resources"] = json!({"limits": {"memory": limit}});
        }
        if let Some(address) = after(words, "calls") {
            container["env"] = json!([{"name": "UPSTREAM", "value": address}]);
        }
        let volumes = after(words, "mounts")
            .map_or_else(|| json!([]), |path| json!([{"name": "data", "hostPath": {"path": path}}]));
        object["metadata"]["labels"] = labels(words.get(2)?);
        if let Some(owner) = after(words, "owner") {
            let mut parts = owner.split('/');
            object["metadata"]["ownerReferences"] =
                json!([{"kind": kind_name(parts.next()?), "name": parts.next_back()?, "controller": true}]);
        }
        let state = if creating {
            json!({"waiting": {"reason": "ContainerCreating"}})
        } else {
            json!({"running": {"startedAt": BORN}})
        };
        object["spec"] = json!({"nodeName": node, "containers": [container], "volumes": volumes});
        object["status"] = json!({"phase": if creating { "Pending" } else { "Running" }, "podIP": format!("10.244.0.{}", self.objects.len() + 1),
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" },
                "lastTransitionTime": after(words, "since").unwrap_or(BORN)}],
            "containerStatuses": [{"name": "c", "ready": ready, "state": state}]});
        if words.contains(&"listens") {
            let sockets: String = words
                .windows(2)
                .filter(|pair| pair[0] == "listens")
                .map(|pair| format!("LISTEN 0 4096 {} 0.0.0.0:*\n", pair[1]))
                .collect();
            self.files.insert(format!("hosts/{node}/ss-{}.txt", words[1].replace('/', "_")), sockets);
        }
        self.nodes.insert(node);
        self.objects.push(object);
        Some(())
    }

    /// What a workload was rolled out with before: its template as it stands, with these fields.
    fn earlier(&mut self, line: &str, words: &[&str]) -> Option<()> {
        let workload: Subject = words[1].parse().ok()?;
        let kind = kind_name(&workload.kind);
        let of = |object: &&Value| object["kind"] == kind && place(&object["metadata"]).name == workload.name;
        let mut template = self.objects.iter().rev().find(of)?["spec"]["template"].clone();
        fields(line)?.into_iter().for_each(|(path, value)| put(&mut template, &path, value));
        let name = format!("{}/{}-{}", workload.namespace(), workload.name, words[2]);
        let mut kept = if kind == "Deployment" {
            let mut kept = self.object("apps/v1", "ReplicaSet", &name);
            kept["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": words[2]});
            kept["spec"] = json!({"replicas": 0, "template": template});
            kept
        } else {
            let mut kept = self.object("apps/v1", "ControllerRevision", &name);
            kept["revision"] = json!(words[2].parse::<u32>().ok()?);
            kept["data"] = json!({"spec": {"template": template}});
            kept
        };
        kept["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": workload.name, "controller": true}]);
        self.objects.push(kept);
        Some(())
    }

    fn probe(&mut self, words: &[&str]) -> Option<()> {
        let arrow = words.iter().position(|word| *word == "->");
        let from = arrow.map(|at| words[at - 1]).filter(|from| *from != "client");
        let rest = &words[arrow.map_or(1, |at| at + 1)..];
        let says = rest.iter().position(|word| *word == "says");
        let text = says.map(|at| rest[at + 1..].join(" "));
        let rest = &rest[..says.unwrap_or(rest.len())];
        let at = rest.iter().position(|word| *word == "at");
        let address = at.and_then(|at| rest.get(at + 1));
        let rest = &rest[..at.unwrap_or(rest.len())];
        let (target, outcome) = (*rest.first()?, *rest.get(1)?);
        let seconds = rest.last()?.strip_suffix("ms").map_or_else(
            || rest.last()?.strip_suffix('s')?.parse::<f64>().ok(),
            |ms| Some(ms.parse::<f64>().ok()? / 1000.0),
        )?;
        let kind = target.split_once("://").map_or("tcp", |(scheme, _)| scheme);
        let mut probe = json!({"kind": kind, "from": from, "target": target, "seconds": seconds, "time": COLLECTED});
        (probe["address"], probe["text"]) = (json!(address), json!(text));
        match outcome.parse::<u16>() {
            Ok(status) => (probe["outcome"], probe["status"]) = (json!("answered"), json!(status)),
            Err(_) => probe["outcome"] = json!(outcome),
        }
        self.probes.push(probe);
        Some(())
    }

    /// A machine on which all is well.
    fn machine(&mut self, words: &[&str]) -> Option<()> {
        let name = words[1];
        let nets: Vec<ipnet::IpNet> = words[2..].iter().map_while(|word| word.parse().ok()).collect();
        let mut addr = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n".to_owned();
        let mut routes = after(words, "via").map(|via| format!("default via {via} dev eth0\n")).unwrap_or_default();
        for (i, net) in nets.iter().enumerate() {
            addr += &format!(
                "{}: eth{i}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500\n    inet {net} scope global eth{i}\n",
                i + 2
            );
            routes += &format!("{} dev eth{i} proto kernel scope link src {}\n", net.trunc(), net.addr());
        }
        let sockets = words.windows(2).filter(|pair| pair[0] == "listens");
        let sockets: String = sockets.map(|pair| format!("LISTEN 0 4096 {} 0.0.0.0:*\n", pair[1])).collect();
        let rules = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n";
        let sysctl = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 0\n".to_owned()
            + &(0..nets.len()).map(|i| format!("net.ipv4.conf.eth{i}.rp_filter = 0\n")).collect::<String>();
        let facts = [
            ("ip-addr", addr),
            ("ip-route", routes),
            ("ip-rule", rules.to_owned()),
            ("ss", sockets),
            ("sysctl", sysctl),
        ];
        for (fact, text) in facts {
            self.files.insert(format!("hosts/{name}/{fact}.txt"), text);
        }
        self.machines.insert(name.to_owned(), vec![]);
        Some(())
    }

    /// The packet filters of the machines, and what was not collected after all.
    fn finish_machines(&mut self) {
        for (name, rules) in std::mem::take(&mut self.machines) {
            let mut text = "table inet filter {\n".to_owned();
            for hook in ["input", "forward", "output", "prerouting", "postrouting"] {
                let own: Vec<&String> = rules.iter().filter(|(of, _)| of == hook).map(|(_, rule)| rule).collect();
                if own.is_empty() {
                    continue;
                }
                let policy = if own.iter().any(|rule| *rule == "policy drop") { "drop" } else { "accept" };
                text += &format!("\tchain {hook} {{\n\t\ttype filter hook {hook} priority filter; policy {policy};\n");
                own.iter().filter(|rule| **rule != "policy drop").for_each(|rule| text += &format!("\t\t{rule}\n"));
                text += "\t}\n";
            }
            self.files.entry(format!("hosts/{name}/nft.txt")).or_insert(text + "}\n");
        }
        for file in std::mem::take(&mut self.without) {
            self.files.remove(&file);
        }
    }

    /// Records of one request, or of several like it.
    fn request(&mut self, line: &str) -> Option<()> {
        let mut record = json!({});
        let (mut at, mut times) = (0.0, 1);
        for (key, value) in fields(line)? {
            match key.as_str() {
                "at" => at = value.as_f64()?,
                "times" => times = value.as_u64()?,
                _ => record[key] = value,
            }
        }
        let collected: jiff::Timestamp = COLLECTED.parse().ok()?;
        for n in 0..times {
            let mut one = record.clone();
            let back = at - 0.2 * (times - 1 - n) as f64;
            one["time"] = json!(collected.checked_add(jiff::SignedDuration::from_secs_f64(back)).ok()?);
            if times > 1
                && let Some(id) = record["id"].as_str()
            {
                one["id"] = json!(format!("{id}.{n}"));
            }
            self.traffic.push(one);
        }
        Some(())
    }

    fn finish(mut self) -> BTreeMap<String, String> {
        let only_machines = self.objects.is_empty() && !self.machines.is_empty();
        self.nodes.retain(|node| !self.machines.contains_key(node));
        self.finish_machines();
        let slices = self.slices();
        self.objects.extend(slices);
        let known: BTreeSet<String> = self
            .objects
            .iter()
            .filter(|object| object["kind"] == "Node")
            .filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        for node in self.nodes.difference(&known) {
            self.objects.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        }
        for namespace in &self.namespaces {
            self.objects.push(json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}}}));
        }
        let hidden: BTreeSet<&str> = self.missed.iter().filter_map(|missed| missed["what"].as_str()).collect();
        self.objects.retain(|object| !hidden.contains(plural(object["kind"].as_str().unwrap_or_default()).as_str()));
        let listed = LISTED.iter().filter(|kind| !only_machines && !hidden.contains(**kind));
        let listed: BTreeMap<&str, u64> = listed.map(|kind| (*kind, 0)).collect();
        let mut files = self.files;
        if !self.traffic.is_empty() {
            self.traffic.sort_by_key(|record| record["time"].as_str().map(str::to_owned));
            let lines = self.traffic.iter().map(|record| record.to_string() + "\n").collect();
            files.insert("traffic.jsonl".to_owned(), lines);
        }
        files.insert(
            "objects.json".to_owned(),
            json!({"apiVersion": "v1", "kind": "List", "items": self.objects}).to_string(),
        );
        files.insert("probes.json".to_owned(), Value::Array(self.probes).to_string());
        files.insert(
            "coverage.json".to_owned(),
            json!({"collected": COLLECTED, "listed": listed, "missed": self.missed}).to_string(),
        );
        files
    }

    /// The EndpointSlice that Kubernetes would keep for each Service.
    fn slices(&self) -> Vec<Value> {
        let of =
            |kind: &str| self.objects.iter().filter(move |object| object["kind"] == kind).cloned().collect::<Vec<_>>();
        let pods = of("Pod");
        of("Service")
            .iter()
            .map(|service| {
                let selected = pods.iter().filter(|pod| {
                    let selector = service["spec"]["selector"].as_object();
                    pod["metadata"]["namespace"] == service["metadata"]["namespace"]
                        && selector.is_some_and(|s| s.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value))
                });
                let endpoints: Vec<Value> = selected
                    .map(|pod| {
                        let ready = pod["status"]["conditions"][0]["status"] == "True";
                        json!({"addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready},
                            "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]}})
                    })
                    .collect();
                let name = &service["metadata"]["name"];
                json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "endpoints": endpoints,
                    "metadata": {"namespace": service["metadata"]["namespace"], "name": format!("{}-x", name.as_str().unwrap_or_default()),
                        "labels": {"kubernetes.io/service-name": name}},
                    "ports": [{"port": service["spec"]["ports"][0]["targetPort"], "protocol": "TCP"}]})
            })
            .collect()
    }
}

fn after<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.get(words.iter().position(|word| *word == key)? + 1).copied()
}

fn labels(text: &str) -> Value {
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// `networkpolicies` of `NetworkPolicy`.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match (kind.strip_suffix('y'), kind.ends_with('s')) {
        (Some(stem), _) => format!("{stem}ies"),
        (None, true) => format!("{kind}es"),
        (None, false) => format!("{kind}s"),
    }
}

/// The `key=value` words of a line; a value with blanks stands in quotes. `x10` is `times=10`.
fn fields(line: &str) -> Option<Vec<(String, Value)>> {
    let mut words: Vec<String> = vec![String::new()];
    // Quotes around a whole value go; those inside JSON stay.
    let (mut quoted, mut around) = (false, false);
    for c in line.chars() {
        match c {
            '"' => {
                around = if quoted { around } else { words.last()?.ends_with('=') };
                quoted = !quoted;
                if !around {
                    words.last_mut()?.push(c);
                }
            }
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut()?.push(c),
        }
    }
    let mut found = Vec::new();
    for word in words {
        if let Some((key, text)) = word.split_once('=') {
            let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            found.push((key.to_owned(), value));
        } else if let Some(times) = word.strip_prefix('x').and_then(|times| times.parse::<u64>().ok()) {
            found.push(("times".to_owned(), json!(times)));
        }
    }
    Some(found)
}

/// The namespace and name of an object's metadata.
fn place(metadata: &Value) -> Subject {
    let name = metadata["name"].as_str().unwrap_or_default();
    match metadata["namespace"].as_str() {
        Some(namespace) => Subject::namespaced("", namespace, name),
        None => Subject::global("", name),
    }
}

/// Sets `a.b[0].c`, making objects and lists on the way. Dots in a key are written as they are in `a["x.y/z"]`, as `~`.
fn put(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for step in path.split('.') {
        let (key, indices) = step.split_once('[').map_or((step, ""), |(key, rest)| (key, rest));
        let key = key.replace('~', ".");
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[key.as_str()];
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            let index: usize = index.trim_end_matches(']').parse().unwrap_or_default();
            if !at.is_array() {
                *at = json!([]);
            }
            if let Some(list) = at.as_array_mut() {
                while list.len() <= index {
                    list.push(Value::Null);
                }
            }
            at = &mut at[index];
        }
    }
    *at = value;
}

fn kind_name(lower: &str) -> &str {
    match lower {
        "pod" => "Pod",
        "deployment" => "Deployment",
        "node" => "Node",
        "replicaset" => "ReplicaSet",
        "statefulset" => "StatefulSet",
        "daemonset" => "DaemonSet",
        "service" => "Service",
        "job" => "Job",
        "cronjob" => "CronJob",
        "persistentvolumeclaim" => "PersistentVolumeClaim",
        other => other,
    }
}

/// A row of a table, its values between bars.
fn table_row(words: &str) -> String {
    words.split_whitespace().map(|word| word.replace('~', " ")).collect::<Vec<_>>().join(" | ")
}
