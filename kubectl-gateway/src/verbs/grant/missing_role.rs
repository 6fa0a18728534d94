//! Whether the role of a grant exists on its clusters. A grant of a role that does not exist is applied
//! there, and gives nobody anything.

use std::{collections::BTreeSet, time::Duration};

use crds::gateway::{AccessGrantSpec, GrantClusters};
use tokio::time::timeout;

use crate::{
    fleet::Fleet,
    hub::Hub,
    roles::{self, Role, WELL_KNOWN},
    voice,
};

/// How many clusters are asked.
const ASKED: usize = 16;
const DEADLINE: Duration = Duration::from_secs(10);

/// The role does not exist.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no ClusterRole {role} on {clusters}{guess}; correct --role, create the role there, or grant it all the \
     same with --role-comes-later"
)]
pub(crate) struct NoSuchRole {
    role: String,
    clusters: String,
    guess: String,
}

/// Asks the clusters for the role, as the caller. What they do not tell is no reason to refuse the grant.
pub(super) async fn look(hub: &Hub, spec: &AccessGrantSpec) -> Result<(), NoSuchRole> {
    let Some(role) = &spec.role.cluster_role else {
        return Ok(());
    };
    let clusters = clusters(hub, &spec.clusters).await.into_iter().take(ASKED);
    let asked: BTreeSet<_> = clusters.map(|it| (it, role.clone())).collect();
    let Ok(found) = timeout(DEADLINE, roles::read(hub, asked)).await else {
        return Ok(());
    };
    let absent = found.iter().filter(|(_, it)| **it == Role::Absent);
    let absent: Vec<_> = absent.map(|((cluster, _), _)| cluster.as_str()).collect();
    if !absent.is_empty() {
        return Err(NoSuchRole {
            role: role.clone(),
            clusters: absent.join(", "),
            guess: guess(role),
        });
    }
    let mut unknown = found.iter().filter_map(|((cluster, _), it)| match it {
        Role::Unknown(why) => Some((cluster, why)),
        _ => None,
    });
    if let Some((cluster, why)) = unknown.next() {
        voice::note(&format!(
            "it is not known whether there is a ClusterRole {role} on {cluster}: {why}"
        ));
    }
    Ok(())
}

/// The clusters that the grant names or, if it names none, selects now.
async fn clusters(hub: &Hub, clusters: &GrantClusters) -> BTreeSet<String> {
    if !clusters.names.is_empty() {
        return clusters.names.iter().cloned().collect();
    }
    let fleet = Fleet::read(hub, std::iter::once(clusters)).await;
    fleet.map_or_else(|_| BTreeSet::new(), |fleet| fleet.chosen(clusters))
}

/// The well-known role that may have been meant.
fn guess(role: &str) -> String {
    let near = WELL_KNOWN
        .into_iter()
        .find(|known| distance(known, role) <= 2);
    near.map_or_else(String::new, |known| format!(" (did you mean {known}?)"))
}

/// How many letters have to be changed, added or removed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (place, own) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *own);
            corner = row[place + 1];
            row[place + 1] = changed.min(corner + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_guessed_and_another_name_is_not() {
        for (said, guessed) in [
            ("veiw", " (did you mean view?)"),
            ("edti", " (did you mean edit?)"),
            ("cluster-admn", " (did you mean cluster-admin?)"),
            ("shop-operator", ""),
        ] {
            assert_eq!(guess(said), guessed, "{said}");
        }
    }
}
