//! All callers while gateways come and go.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::Instant};

use super::{
    calls::call,
    journal::{Entrance, Journal, Kind},
    site::Site,
    spread::Standing,
    streams::{Watch, write},
};

/// How many callers there are at each entrance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) callers: usize,
    pub(super) watches: usize,
    pub(super) upgrades: usize,
}

/// The running callers, which stop when this is dropped.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) journal: Journal,
    pub(super) standing: Arc<Mutex<Standing>>,
    writer: JoinSet<anyhow::Result<()>>,
    _callers: JoinSet<()>,
}

impl Numbers {
    pub(super) fn of(self, kind: Kind) -> usize {
        match kind {
            Kind::Watch => self.watches,
            Kind::Upgrade => self.upgrades,
        }
    }
}

impl Load {
    pub(super) fn begin(site: &Site, numbers: Numbers) -> Self {
        let (journal, standing) = (Journal::default(), Arc::default());
        let mut callers = JoinSet::new();
        for entrance in [Entrance::Hub, Entrance::Door] {
            let caller = site.caller(entrance);
            for number in 0..numbers.callers {
                // The callers start at different clusters, so that each cluster is called as often
                // as possible.
                let first = number * caller.clusters() / numbers.callers;
                callers.spawn(call(caller.clone(), first, journal.clone()));
            }
            for kind in [Kind::Watch, Kind::Upgrade] {
                for number in 0..numbers.of(kind) {
                    let watch = Watch {
                        caller: caller.clone(),
                        kind,
                        number,
                        journal: journal.clone(),
                        last: None,
                    };
                    callers.spawn(watch.keep());
                }
            }
        }
        callers.spawn(call(site.caller(Entrance::Direct), 0, journal.clone()));
        let names = site.names().to_vec();
        callers.spawn(site.spread.clone().follow(names, Arc::clone(&standing)));
        let mut writer = JoinSet::new();
        let maps = Api::<ConfigMap>::default_namespaced(site.spoke().client());
        writer.spawn(write(maps));
        Self {
            journal,
            standing,
            writer,
            _callers: callers,
        }
    }

    /// Forgets what was seen until now. Returns the moment from which on results count.
    pub(super) fn forget(&self) -> Instant {
        self.journal.take();
        self.standing.lock().two.lacking = Duration::ZERO;
        Instant::now()
    }

    /// Fails if the watched object is no longer changed.
    pub(super) fn goes_on(&mut self) -> anyhow::Result<()> {
        match self.writer.try_join_next() {
            Some(ended) => ended?.context("the watched object is no longer changed"),
            None => Ok(()),
        }
    }
}
