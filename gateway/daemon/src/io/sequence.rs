//! Finds lost edges by the numbers that the kernel gives them. Pure.
//!
//! An edge carries two numbers: that of its line, and that of its request (all lines of a chip).
//! When the kernel's queue is full it drops the *oldest* edge. A gap in the numbers of a line is
//! certain and names the line. But the last edges of a line can be pushed out by those of another:
//! then no number of that line follows, and only the numbers of the request show the gap. They are
//! drawn in the hard interrupt and queued in its thread, so two lines may come in the wrong order
//! for a moment: a gap there counts only if it stays ([`RequestSequence::missing`]).

/// The numbers of one line, from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineSequence {
    last: u32,
}

impl LineSequence {
    /// Takes the next number and tells how many before it never came.
    pub(super) fn take(&mut self, seqno: u32) -> u32 {
        let lost = seqno.wrapping_sub(self.last).wrapping_sub(1);
        if lost > u32::MAX / 2 {
            // Not after the last one: a repetition, of which nothing can be concluded.
            return 0;
        }
        self.last = seqno;
        lost
    }
}

/// The numbers of one request, from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestSequence {
    highest: u32,
    /// How many numbers are explained: by edges that came, or as lost.
    explained: u32,
    /// How many were given up without knowing the line: some line will yet show that gap.
    given_up: u32,
}

impl RequestSequence {
    /// Takes the next edge, with what its line has shown as lost. Returns how many of these were not
    /// given up before.
    pub(super) fn take(&mut self, seqno: u32, lost_on_line: u32) -> u32 {
        if seqno.wrapping_sub(self.highest) <= u32::MAX / 2 {
            self.highest = seqno;
        }
        let known_before = lost_on_line.min(self.given_up);
        self.given_up -= known_before;
        let news = lost_on_line - known_before;
        self.explained = self.explained.wrapping_add(1).wrapping_add(news);
        news
    }

    /// How many edges are not explained: lost, or still on their way.
    pub(super) fn missing(&self) -> u32 {
        let missing = self.highest.wrapping_sub(self.explained);
        if missing > u32::MAX / 2 { 0 } else { missing }
    }

    /// Those that are missing will not come any more. Returns their number.
    pub(super) fn give_up(&mut self) -> u32 {
        let missing = self.missing();
        self.explained = self.explained.wrapping_add(missing);
        self.given_up = self.given_up.saturating_add(missing);
        missing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn a_gap_names_the_line_and_the_number() {
        let mut line = LineSequence::default();
        assert_eq!([1, 2, 3, 7, 8, 8, 9].map(|seqno| line.take(seqno)), [0, 0, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn numbers_may_wrap() {
        let mut line = LineSequence { last: u32::MAX - 1 };
        assert_eq!([u32::MAX, 0, 2].map(|seqno| line.take(seqno)), [0, 0, 1]);
        let mut request =
            RequestSequence { highest: u32::MAX, explained: u32::MAX, ..Default::default() };
        request.take(1, 0);
        assert_eq!(request.missing(), 1);
        request.take(0, 0);
        assert_eq!(request.missing(), 0);
    }

    #[test]
    fn two_lines_in_the_wrong_order_are_no_loss_for_long() {
        let mut request = RequestSequence::default();
        request.take(2, 0);
        assert_eq!(request.missing(), 1);
        request.take(1, 0);
        assert_eq!(request.missing(), 0);
    }

    /// The kernel's queue: drops the oldest when full, numbers as the kernel does.
    struct Kernel {
        queue: VecDeque<(usize, u32, u32)>,
        lines: [u32; 2],
        all: u32,
    }

    impl Kernel {
        fn edge(&mut self, line: usize) {
            self.all += 1;
            self.lines[line] += 1;
            if self.queue.len() == 4 {
                self.queue.pop_front();
            }
            self.queue.push_back((line, self.all, self.lines[line]));
        }
    }

    #[test]
    fn edges_pushed_out_by_another_line_are_noticed_and_counted_once() {
        let mut kernel = Kernel { queue: VecDeque::new(), lines: [0; 2], all: 0 };
        let (mut lines, mut request) = ([LineSequence::default(); 2], RequestSequence::default());
        let (mut lost_on_line, mut news) = ([0; 2], 0);
        let mut read = |kernel: &mut Kernel, request: &mut RequestSequence| {
            for (line, seqno, line_seqno) in kernel.queue.drain(..) {
                let lost = lines[line].take(line_seqno);
                lost_on_line[line] += lost;
                news += request.take(seqno, lost);
            }
            (lost_on_line, news)
        };
        // Both edges of line 1 are pushed out by line 0, and one of line 0 itself.
        kernel.edge(1);
        kernel.edge(1);
        for _ in 0..5 {
            kernel.edge(0);
        }
        assert_eq!(read(&mut kernel, &mut request), ([1, 0], 1));
        assert_eq!(request.missing(), 2, "nothing of line 1 came at all");
        assert_eq!(request.give_up(), 2);
        assert_eq!(request.missing(), 0);
        // Line 1 speaks again and shows its gap, which is known already.
        kernel.edge(1);
        assert_eq!(read(&mut kernel, &mut request), ([1, 2], 1), "no news");
        assert_eq!(request.missing(), 0);
        kernel.edge(0);
        read(&mut kernel, &mut request);
        assert_eq!((request.missing(), request.give_up()), (0, 0));
    }
}
