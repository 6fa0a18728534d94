//! Where the server's objects are. They are watched in one namespace only, so a server that moves is
//! followed once nothing is left in the earlier one.

use crds::gateway::SINGLETON;
use kube::core::DynamicObject;

use super::Observed;
use crate::{
    kind::{Kind, ObjectKey},
    object::is_ours,
};

impl Observed {
    /// The namespace in which the server's objects are watched.
    pub(crate) fn home(&self) -> &str {
        &self.home
    }

    /// The namespace in which the server's objects should be watched: where they are, until none is
    /// left there, and then where the configuration wants them. Without a configuration it is the
    /// operator's own, where the operator has the rights.
    pub(crate) fn next_home(&self) -> String {
        let Some(configuration) = self.configuration() else {
            return self.installation.namespace.clone();
        };
        let wanted = &configuration.spec.server.namespace;
        let left = self
            .recorded_home()
            .filter(|it| it != wanted && !self.is_swept(it));
        left.unwrap_or(wanted).to_owned()
    }

    /// The namespace that the configuration's status names, which outlasts the process.
    pub(crate) fn recorded_home(&self) -> Option<&str> {
        let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
        let status = self.object(&key)?.data.get("status")?;
        status["serverNamespace"].as_str()
    }

    /// True if nothing of the server is left in a namespace that is not the wanted one.
    fn is_swept(&self, namespace: &str) -> bool {
        let stays = |object: &DynamicObject| {
            is_ours(object) && object.metadata.deletion_timestamp.is_none()
        };
        let is_empty = || {
            let kinds = Kind::ALL.iter().filter(|kind| kind.is_of_server());
            let mut left = kinds.flat_map(|kind| self.all(*kind));
            !left.any(|(_, object)| stays(object))
        };
        self.swept.as_deref() == Some(namespace)
            || (self.home == namespace && self.is_complete() && is_empty())
    }

    /// Forgets the server's objects because they are in another namespace now, where they are listed
    /// again.
    pub(crate) fn leave_server(&mut self, home: String) {
        if self.is_swept(&self.home) {
            self.swept = Some(self.home.clone());
        }
        self.home = home;
        self.objects.retain(|key, _| !key.kind.is_of_server());
        self.listed.retain(|kind| !kind.is_of_server());
    }
}
