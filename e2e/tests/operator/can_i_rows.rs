//! What `kubectl auth can-i --list` prints, as rows.

use e2e::Cluster;

use super::hub::kubectl;

/// One right.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Row {
    /// The resource with its group; empty if it is about a path.
    pub(crate) resource: String,
    path: String,
    /// The objects that it is limited to; none stands for all.
    pub(crate) names: Vec<String>,
    pub(crate) verbs: Vec<String>,
}

impl Row {
    /// What it is about, for people.
    pub(crate) fn what(&self) -> String {
        let Self {
            resource,
            path,
            names,
            ..
        } = self;
        match names.as_slice() {
            [] => format!("`{resource}{path}`"),
            names => format!("`{resource}` named `{}`", names.join("`, `")),
        }
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        (&self.resource, &self.path, &self.names) == (&other.resource, &other.path, &other.names)
    }
}

/// What these flags of kubectl's may do in a namespace.
pub(crate) async fn rows(cluster: &Cluster, namespace: &str, flags: &[String]) -> Vec<Row> {
    let flags = flags.iter().map(String::as_str);
    let list = ["auth", "can-i", "--list", "--namespace", namespace];
    let list: Vec<_> = list.into_iter().chain(flags).collect();
    let printed = kubectl(cluster, &list).await.unwrap();
    let mut lines = printed.lines();
    let head = lines.next().unwrap();
    let columns = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"];
    let [resources, paths, names, verbs] = columns.map(|it| head.find(it).unwrap());
    let mut rows: Vec<_> = lines
        .map(|line| Row {
            resource: line[resources..paths].trim().to_owned(),
            path: words(&line[paths..names]).join(", "),
            names: words(&line[names..verbs])
                .into_iter()
                .map(anonymous)
                .collect(),
            verbs: words(&line[verbs..]),
        })
        .collect();
    rows.sort();
    rows
}

fn words(list: &str) -> Vec<String> {
    let list = list.trim().trim_start_matches('[').trim_end_matches(']');
    list.split_whitespace().map(str::to_owned).collect()
}

/// The group of a grant has the hash of its uid, which is another one each time.
fn anonymous(name: String) -> String {
    let prefix = crds::gateway::GRANT_GROUP_PREFIX;
    if name.starts_with(prefix) {
        format!("{prefix}HASH")
    } else {
        name
    }
}

/// What is in these rows and not in the known ones.
pub(crate) fn beside(rows: Vec<Row>, known: &[Row]) -> Vec<Row> {
    let beside = rows.into_iter().filter_map(|mut row| {
        let same = known.iter().filter(|it| it.is_about_the_same(&row));
        let same: Vec<_> = same.flat_map(|it| it.verbs.clone()).collect();
        row.verbs.retain(|verb| !same.contains(verb));
        (!row.verbs.is_empty()).then_some(row)
    });
    beside.collect()
}

/// The same rights on several objects, for the same reason, are one row.
pub(crate) fn merged(rows: Vec<(Row, String)>) -> Vec<(Row, String)> {
    let mut merged: Vec<(Row, String)> = Vec::new();
    for (row, reason) in rows {
        let same = merged.iter_mut().find(|(known, why)| {
            let is_alike = known.resource == row.resource && known.verbs == row.verbs;
            let are_named = !known.names.is_empty() && !row.names.is_empty();
            is_alike && are_named && *why == reason
        });
        match same {
            Some((known, _)) => known.names.extend(row.names),
            None => merged.push((row, reason)),
        }
    }
    merged
}
