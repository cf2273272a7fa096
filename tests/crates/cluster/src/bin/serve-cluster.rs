//! Starts a cluster for the test that its argument names, prints its address and its directory, and waits to
//! be killed or for the end of its standard input.

use std::io::Read;

use test_cluster::{Cluster, Timing};

fn main() {
    let test = std::env::args().nth(1).expect("a test's name");
    let Some(cluster) = Cluster::start(&test, Timing::QUICK) else {
        return;
    };
    println!("{}", cluster.url());
    println!("{}", cluster.directory().display());
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .expect("standard input can be read");
}
