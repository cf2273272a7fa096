//! The configuration of a member.

use std::path::Path;

use crate::{Timing, Wires};

/// Where a member listens, on the loopback.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) postgres: u16,
    pub(crate) rest: u16,
}

/// The same, and how it and its peers reach each other.
#[derive(Clone, Copy)]
pub(crate) struct Reached {
    own: Ports,
    etcd: u16,
    standbys: u16,
}

impl Ports {
    pub(crate) fn seen_through(self, wires: &Wires) -> Reached {
        Reached {
            own: self,
            etcd: wires.etcd.port(),
            standbys: wires.standbys.port(),
        }
    }
}

/// In the format of Patroni. `directory` is the cluster's.
pub(crate) fn member(
    number: usize,
    ports: Reached,
    timing: Timing,
    binaries: &Path,
    directory: &Path,
) -> String {
    let Reached {
        own: Ports { postgres, rest },
        etcd,
        standbys,
    } = ports;
    let Timing {
        ttl,
        loop_wait,
        retry_timeout,
    } = timing;
    let (binaries, directory) = (binaries.display(), directory.display());
    format!(
        "\
scope: cqrs
name: m{number}
restapi: {{listen: '127.0.0.1:{rest}', connect_address: '127.0.0.1:{rest}'}}
etcd3: {{hosts: '127.0.0.1:{etcd}', use_proxies: true}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: {loop_wait}
    retry_timeout: {retry_timeout}
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters:
        fsync: 'on'
        shared_buffers: 32MB
        max_wal_size: 256MB
        max_connections: 200
        max_worker_processes: 2
        dynamic_shared_memory_type: mmap
        deadlock_timeout: 20ms
        wal_keep_size: 128MB
        wal_sender_timeout: 5s
        wal_receiver_timeout: 5s
        timezone: UTC
        log_timezone: UTC
  initdb: [{{encoding: UTF8}}, {{locale: C}}, {{auth: trust}}, no-sync]
postgresql:
  listen: '127.0.0.1:{postgres}'
  connect_address: '127.0.0.1:{standbys}'
  bin_dir: {binaries}
  data_dir: {directory}/{number}
  pgpass: {directory}/{number}.pgpass
  authentication:
    superuser: {{username: postgres}}
    replication: {{username: postgres}}
    rewind: {{username: postgres}}
  basebackup: [{{checkpoint: fast}}, no-sync]
  parameters: {{unix_socket_directories: ''}}
  pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
"
    )
}
