//! The model of what is registered.

use std::collections::BTreeSet;
use std::sync::Arc;

use cqrs_core::app::{AllowAll, NodeId, NodeKind, model};
use cqrs_core::prelude::*;
use serde_json::json;

/// A library, with one of each kind.
mod library {
    use std::time::Duration;

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Lends a book.
    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(permission = "library:lend")]
    pub struct LendBook {
        /// The number on its spine.
        #[id(Book)]
        pub book: u32,
        pub readers: Option<Vec<String>>,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct ReturnBook {
        #[id(Book)]
        pub book: u32,
    }

    /// Demands a book.
    #[derive(Command, Clone, Serialize, Deserialize, JsonSchema)]
    pub struct Remind {
        pub book: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "book-lent", version = 2)]
    pub struct BookLent {
        #[id(Book)]
        pub book: u32,
    }

    #[upcast(event = "book-lent", from = 1)]
    fn lent_with_number(old: serde_json::Value) -> serde_json::Value {
        old
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "book-returned", version = 1)]
    pub struct BookReturned {
        #[id(Book)]
        pub book: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "book-overdue", version = 1)]
    pub struct BookOverdue {
        #[id(Book)]
        pub book: u32,
    }

    #[derive(Event)]
    pub enum Movement {
        Returned(BookReturned),
        Lent(BookLent),
    }

    #[derive(Default)]
    pub struct Book(bool);

    /// Books.
    #[aggregate(id = u32)]
    impl Book {
        #[apply]
        fn lent(&mut self, _: &BookLent) {
            self.0 = true;
        }
    }

    /// Somebody else waits for it.
    #[command_handler]
    fn lend(command: LendBook, _: &Book) -> Result<(BookLent, Option<BookReturned>), Rejected> {
        let book = command.book;
        Ok((BookLent { book }, None))
    }

    #[command_handler]
    async fn give_back(ReturnBook { book }: ReturnBook) -> Vec<Movement> {
        let (returned, lent) = (BookReturned { book }, BookLent { book });
        vec![Movement::Lent(lent), Movement::Returned(returned)]
    }

    #[command_handler]
    fn remind(_: Remind, _: Service<String>) {}

    #[event_handler]
    fn welcome(_: BookReturned) {}

    #[event_handler]
    fn demand(event: super::lost::Lost) -> Option<Remind> {
        Some(Remind { book: event.book })
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Loan;

    /// A book is away.
    #[process_manager(name = "loan", id(Book = u32))]
    impl Loan {
        #[start]
        fn lent(&mut self, event: &BookLent) -> Deadline<BookOverdue> {
            Deadline::after(BookOverdue { book: event.book }, Duration::from_secs(1))
        }

        #[due]
        fn overdue(&mut self, event: &BookOverdue) -> Remind {
            Remind { book: event.book }
        }

        #[rejected]
        fn refused(&mut self, _: &Remind, _: &Rejected) -> End {
            End
        }
    }

    /// A book on its shelf.
    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Shelf {
        #[key]
        pub book: u32,
    }

    #[projection(name = "shelves", version = 3)]
    impl Shelf {
        #[on]
        fn returned(event: &BookReturned, shelves: &mut Views<Shelf>) {
            shelves.put(Shelf { book: event.book });
        }

        #[on]
        fn lent(event: &BookLent, shelves: &mut Views<Shelf>) {
            shelves.delete(&event.book);
        }
    }

    #[derive(Query, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct CountBooks;

    #[query_handler]
    async fn count_books(_: CountBooks, shelves: Read<Shelf>) -> Result<u64> {
        shelves.find().count().await
    }
}

/// An event of another module.
mod lost {
    use cqrs_core::prelude::*;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "book-lost", version = 1)]
    pub struct Lost {
        #[id(Book)]
        pub book: u32,
    }
}

async fn library() -> Dispatcher {
    let app = Dispatcher::builder().module(library::module());
    let app = app.store(Memory::new()).authorizer(AllowAll);
    let app = app.provide(Arc::new("mail".to_owned()));
    app.build().await.expect("builds")
}

#[tokio::test]
async fn edges_say_what_has_to_do_with_what() {
    let model = library().await.model();
    let sentences: Vec<_> = model
        .edges
        .iter()
        .map(|edge| {
            let (from, to) = (&edge.from, &edge.to);
            let method = edge.method.map(|method| format!(" in {method}"));
            format!(
                "{} {} {} {} {}{}",
                from.kind.words(),
                from.label(),
                edge.verb,
                to.kind.words(),
                to.label(),
                method.unwrap_or_default()
            )
        })
        .collect();
    let expected = [
        "command handler give_back handles command ReturnBook",
        "command handler give_back emits event book-lent",
        "command handler give_back emits event book-returned",
        "command handler lend handles command LendBook",
        "command handler lend loads aggregate book",
        "command handler lend emits event book-lent",
        "command handler lend emits event book-returned",
        "command handler remind handles command Remind",
        "aggregate book folds event book-lent",
        "event handler demand handles event book-lost",
        "event handler demand sends command Remind",
        "event handler welcome handles event book-returned",
        "process manager loan handles event book-lent in lent",
        "process manager loan handles event book-overdue in overdue",
        "process manager loan sends command Remind in overdue",
        "process manager loan schedules event book-overdue in lent",
        "process manager loan compensates command Remind in refused",
        "projection shelves folds event book-lent in lent",
        "projection shelves folds event book-returned in returned",
        "projection shelves writes read model shelf in lent",
        "projection shelves writes read model shelf in returned",
        "query handler count_books handles query CountBooks",
        "query handler count_books reads read model shelf",
    ];
    assert_eq!(sentences, expected);
    let flows = model.edges.iter().map(|edge| {
        let (from, to) = edge.flow();
        (from.kind, to.kind)
    });
    let back = flows.filter(|(from, to)| from > to);
    let back: BTreeSet<_> = back.collect();
    let expected = [
        (NodeKind::Aggregate, NodeKind::CommandHandler),
        (NodeKind::Event, NodeKind::Aggregate),
        (NodeKind::Reaction, NodeKind::Command),
        (NodeKind::ProcessManager, NodeKind::Command),
        (NodeKind::ProcessManager, NodeKind::Event),
        (NodeKind::Query, NodeKind::QueryHandler),
    ];
    assert_eq!(back, expected.into());
}

#[tokio::test]
async fn nodes_have_what_is_known_of_them() {
    let model = library().await.model();
    let node = |kind, name| model.node(kind, name).expect("is there");
    let json = serde_json::to_value(node(NodeKind::Command, "LendBook")).expect("is written");
    let source = json!({"file": file!(), "line": 21, "module": "suite::registered::library"});
    let expected = json!({
        "id": {"kind": "command", "name": "LendBook"},
        "docs": "Lends a book.",
        "source": source,
        "permission": "library:lend",
        "fields": [
            {
                "name": "book",
                "type": "u32",
                "docs": "The number on its spine.",
                "aggregate": "book"
            },
            {"name": "readers", "type": "Option<Vec<String>>"},
        ],
    });
    assert_eq!(json, expected);
    let remind = node(NodeKind::Command, "Remind");
    assert_eq!(
        remind.schema.as_ref().expect("has one")["description"],
        "Demands a book."
    );
    assert_eq!(node(NodeKind::Event, "book-lent").version, Some(2));
    assert_eq!(node(NodeKind::Aggregate, "book").docs, "Books.");
    let lend = node(NodeKind::CommandHandler, "suite::registered::library::lend");
    assert_eq!(lend.docs, "Somebody else waits for it.");
    let remind = node(
        NodeKind::CommandHandler,
        "suite::registered::library::remind",
    );
    assert_eq!(remind.services, ["alloc::string::String"]);
    assert_eq!(
        node(NodeKind::ProcessManager, "loan").docs,
        "A book is away."
    );
    assert_eq!(node(NodeKind::Projection, "shelves").version, Some(3));
    let shelf = node(NodeKind::ReadModel, "shelves.shelf");
    assert_eq!(shelf.docs, "A book on its shelf.");
    assert_eq!(shelf.fields[0].name, "book");
    let lost = node(NodeKind::Event, "book-lost");
    assert_eq!(lost.source.module, "suite::registered::lost");
}

#[tokio::test]
async fn the_model_is_stable_and_needs_no_store() {
    let own = library().await.model();
    assert_eq!(library().await.model(), own);
    // Other modules of this program have an aggregate, say, with the same name. The path of a handler is its own.
    let all = model();
    for handler in own.of_kind(NodeKind::CommandHandler) {
        assert_eq!(
            all.node(NodeKind::CommandHandler, &handler.id.name),
            Some(handler)
        );
        let edges: Vec<_> = all.edges_from(&handler.id).collect();
        assert_eq!(edges, own.edges_from(&handler.id).collect::<Vec<_>>());
    }
    let ids: Vec<&NodeId> = own.nodes.iter().map(|node| &node.id).collect();
    assert!(ids.is_sorted());
    assert!(
        own.edges
            .iter()
            .all(|edge| ids.contains(&&edge.from) && ids.contains(&&edge.to))
    );
}
