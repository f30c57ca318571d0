//! Which rows need which others.

use std::collections::HashMap;

/// A directed graph of rows.
#[derive(Default)]
pub(super) struct Graph {
    rows: Vec<usize>,
    position: HashMap<usize, usize>,
    needs: Vec<Vec<usize>>,
}

impl Graph {
    pub(super) fn add(&mut self, row: usize, needs: Vec<usize>) {
        self.position.insert(row, self.rows.len());
        self.rows.push(row);
        self.needs.push(needs);
    }

    /// The strongly connected components from which no edge leads out (Tarjan's algorithm, without recursion).
    pub(super) fn closed_components(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.rows.len();
        let (mut order, mut low) = (vec![UNSEEN; count], vec![0; count]);
        let (mut component_of, mut stack, mut path) = (vec![UNSEEN; count], Vec::new(), Vec::new());
        let (mut components, mut seen) = (Vec::new(), 0);
        for start in 0..count {
            if order[start] != UNSEEN {
                continue;
            }
            path.push((start, 0));
            while let Some((node, edge)) = path.pop() {
                if edge == 0 {
                    (order[node], low[node]) = (seen, seen);
                    seen += 1;
                    stack.push(node);
                }
                if let Some(need) = self.needs[node].get(edge) {
                    path.push((node, edge + 1));
                    match self.position.get(need) {
                        Some(next) if order[*next] == UNSEEN => path.push((*next, 0)),
                        Some(next) if component_of[*next] == UNSEEN => low[node] = low[node].min(order[*next]),
                        _ => {}
                    }
                    continue;
                }
                if low[node] == order[node] {
                    let mut component = Vec::new();
                    while let Some(member) = stack.pop() {
                        component_of[member] = components.len();
                        component.push(member);
                        if member == node {
                            break;
                        }
                    }
                    components.push(component);
                }
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        let stays_inside = |component: &Vec<usize>| {
            let number = component_of[component[0]];
            let mut needs = component.iter().flat_map(|node| &self.needs[*node]);
            needs.all(|need| self.position.get(need).is_some_and(|node| component_of[*node] == number))
        };
        let closed = components.into_iter().filter(stays_inside);
        closed.map(|component| component.into_iter().map(|node| self.rows[node]).collect()).collect()
    }
}
