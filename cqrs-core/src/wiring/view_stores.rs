use std::any::TypeId;
use std::collections::HashMap;
use std::ptr::addr_eq;
use std::sync::Arc;

use crate::handler::ModelType;
use crate::store::ViewStore;

/// The view stores of a dispatcher.
#[derive(Clone, Default)]
pub(crate) struct ViewStores {
    /// The store of the checkpoints of reactions, and of all read models without a store of their
    /// own.
    pub(crate) main: Option<Arc<dyn ViewStore>>,
    /// The stores of particular read models, by their type.
    pub(crate) of_models: HashMap<TypeId, (ModelType, Arc<dyn ViewStore>)>,
}

impl ViewStores {
    /// Creates the view stores of a dispatcher with one store for everything.
    pub(crate) fn of(store: Arc<dyn ViewStore>) -> Self {
        Self {
            main: Some(store),
            of_models: HashMap::new(),
        }
    }

    /// The store of a read model.
    pub(crate) fn of_model(&self, model: TypeId) -> Option<&Arc<dyn ViewStore>> {
        let of_model = self.of_models.get(&model).map(|(_, store)| store);
        of_model.or(self.main.as_ref())
    }

    /// Each store once.
    pub(crate) fn all(&self) -> Vec<&Arc<dyn ViewStore>> {
        let mut all: Vec<&Arc<dyn ViewStore>> = Vec::new();
        let of_models = self.of_models.values().map(|(_, store)| store);
        for store in self.main.iter().chain(of_models) {
            if !all.iter().any(|known| is_same(known, store)) {
                all.push(store);
            }
        }
        all
    }
}

/// Whether both are the same store. Vtables of one type may differ, so only the addresses are
/// compared.
pub(crate) fn is_same(a: &Arc<dyn ViewStore>, b: &Arc<dyn ViewStore>) -> bool {
    addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}
