use std::io::Write;
use std::process::{Command, Stdio};

use expect_test::expect_file;

use crate::{hostile_map, library};

#[test]
fn a_domain_with_everything_as_mermaid() {
    expect_file!["expected/library.mmd"].assert_eq(&library().mermaid());
}

#[test]
fn a_domain_with_everything_as_dot() {
    expect_file!["expected/library.dot"].assert_eq(&library().dot());
}

#[test]
fn a_domain_with_everything_as_a_picture() {
    expect_file!["expected/library.svg"].assert_eq(&library().svg());
}

#[test]
fn names_are_no_markup_in_mermaid() {
    let mermaid = hostile_map().mermaid();
    let line = mermaid
        .lines()
        .find(|line| line.contains("it#34;"))
        .expect("is there");
    let expected = "    n2[\"it#34;#93;:::x#59;click n0 #96;#60;b onclick#61;#39;1#39;#62;#38;amp#59;#96; #37;#37; #92;\"]:::event";
    assert_eq!(line, expected);
}

/// Graphviz has read it as a graph of these nodes and edges.
#[test]
fn graphviz_reads_the_dot() {
    let test = "that Graphviz reads the DOT of a map";
    let Some(dot) = test_tools::program(&["dot"], test) else {
        return;
    };
    for (map, nodes, edges) in [(library(), 18, 21), (hostile_map(), 3, 2)] {
        let mut graphviz = Command::new(&dot)
            .arg("-Tplain")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dot starts");
        let mut input = graphviz.stdin.take().expect("is piped");
        input.write_all(map.dot().as_bytes()).expect("dot reads");
        drop(input);
        let output = graphviz.wait_with_output().expect("dot ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        let drawn = String::from_utf8(output.stdout).expect("is text");
        let count = |word| drawn.lines().filter(|line| line.starts_with(word)).count();
        assert_eq!((count("node "), count("edge ")), (nodes, edges), "{drawn}");
    }
}
