//! Which of the missing things can be installed, and how. Pure.

use std::fmt;

use super::{
    means::{Means, Root},
    need::{Need, Remedy},
};

/// The actions, in order.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Plan(pub(super) Vec<Action>);

/// One command that installs something.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Action {
    AddComponent(&'static str),
    InstallCargoDeny,
    EnsurePip,
    InstallPackages(Root, Vec<&'static str>),
}

impl Plan {
    /// Takes the first remedy of each need that is available on the machine. All packages are
    /// installed together at the end.
    pub(super) fn new(missing: &[&Need], means: Means) -> Self {
        let mut actions = Vec::new();
        let mut packages = Vec::new();
        for need in missing {
            let remedy = need.remedies.iter().find(|remedy| means.allow(**remedy));
            match remedy {
                Some(Remedy::Component(name)) => actions.push(Action::AddComponent(name)),
                Some(Remedy::CargoDeny) => actions.push(Action::InstallCargoDeny),
                Some(Remedy::EnsurePip) => actions.push(Action::EnsurePip),
                Some(Remedy::Packages(names)) => packages.extend(*names),
                None => {}
            }
        }
        let install = means.apt.filter(|_| !packages.is_empty());
        actions.extend(install.map(|root| Action::InstallPackages(root, packages)));
        Self(actions)
    }
}

impl Means {
    fn allow(self, remedy: Remedy) -> bool {
        match remedy {
            Remedy::Component(_) => self.rustup,
            Remedy::CargoDeny => true,
            Remedy::EnsurePip => self.ensurepip,
            Remedy::Packages(_) => self.apt.is_some(),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddComponent(name) => write!(f, "{name} (rustup)"),
            Self::InstallCargoDeny => f.write_str("cargo-deny (cargo install into target/tools)"),
            Self::EnsurePip => f.write_str("pip (python3 -m ensurepip)"),
            Self::InstallPackages(_, names) => write!(f, "{} (apt-get)", names.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::need::{CLIPPY, DENY, GO, NODE},
        *,
    };

    const NOTHING: Means = Means {
        rustup: false,
        ensurepip: false,
        apt: None,
    };

    fn shown(means: Means) -> Vec<String> {
        let plan = Plan::new(&[&CLIPPY, &NODE, &DENY, &GO], means);
        plan.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_need_is_met_by_what_the_machine_allows() {
        let deny = "cargo-deny (cargo install into target/tools)";
        let clippy = "clippy (rustup)";
        let node = "bsdutils iproute2 libseccomp-dev nftables pkg-config";
        assert_eq!(shown(NOTHING), [deny]);
        let rustup = Means {
            rustup: true,
            ..NOTHING
        };
        assert_eq!(shown(rustup), [clippy, deny]);
        for root in [Root::Already, Root::BySudo] {
            let apt = Some(root);
            let packages = format!("{node} python3-pip (apt-get)");
            assert_eq!(shown(Means { apt, ..rustup }), [clippy, deny, &packages]);
        }
    }

    #[test]
    fn what_takes_no_rights_comes_before_packages() {
        let means = Means {
            ensurepip: true,
            apt: Some(Root::Already),
            ..NOTHING
        };
        assert_eq!(Plan::new(&[&GO], means).0, [Action::EnsurePip]);
        assert_eq!(Plan::new(&[], means).0, []);
    }
}
