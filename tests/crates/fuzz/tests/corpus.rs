//! The inputs that a fuzzer has kept, because each does something that no other does.

use std::fs;
use std::path::Path;

use test_fuzz::TARGETS;

#[test]
fn what_holds_for_every_input_holds_for_those_of_the_corpus() {
    for (name, target) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus");
        let files = fs::read_dir(corpus.join(name)).expect("is there");
        let mut count = 0;
        for file in files {
            let path = file.expect("is read").path();
            println!("{}", path.display());
            target(&fs::read(path).expect("is read"));
            count += 1;
        }
        assert!(count >= 10, "{name}: {count} inputs");
    }
}
