//! A picture in the making: planes of 8 bit, chroma halved in both directions (I420).

use openh264::formats::YUVSource;

pub(super) const WIDTH: usize = 640;
pub(super) const HEIGHT: usize = 360;

/// Luma, and both kinds of chroma, of video range (ITU-R BT.601).
pub(super) type Colour = (u8, u8, u8);

#[derive(Clone, Debug)]
pub(super) struct Canvas {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Canvas {
    pub(super) fn new((y, u, v): Colour) -> Self {
        let chroma = WIDTH / 2 * (HEIGHT / 2);
        Self { y: vec![y; WIDTH * HEIGHT], u: vec![u; chroma], v: vec![v; chroma] }
    }

    /// Paints every pixel of a shape that lies within the box; outside of the picture is nothing.
    pub(super) fn paint(
        &mut self,
        (left, top, right, bottom): (i32, i32, i32, i32),
        (y, u, v): Colour,
        inside: impl Fn(i32, i32) -> bool,
    ) {
        for row in top.max(0)..bottom.min(bound(HEIGHT)) {
            for column in left.max(0)..right.min(bound(WIDTH)) {
                if !inside(column, row) {
                    continue;
                }
                let (x, at) = (index(column), index(row));
                self.y[at * WIDTH + x] = y;
                let chroma = at / 2 * (WIDTH / 2) + x / 2;
                (self.u[chroma], self.v[chroma]) = (u, v);
            }
        }
    }

    pub(super) fn rectangle(&mut self, place: (i32, i32, i32, i32), colour: Colour) {
        self.paint(place, colour, |_, _| true);
    }

    pub(super) fn ellipse(&mut self, (x, y): (i32, i32), (rx, ry): (i32, i32), colour: Colour) {
        let place = (x - rx, y - ry, x + rx + 1, y + ry + 1);
        self.paint(place, colour, |column, row| {
            let (dx, dy) =
                (f64::from(column - x) / f64::from(rx), f64::from(row - y) / f64::from(ry));
            dx * dx + dy * dy <= 1.0
        });
    }

    /// The sensor's noise, and how bright it is.
    pub(super) fn expose(&mut self, random: &mut fastrand::Rng, dark: bool) {
        for chunk in self.y.chunks_mut(8) {
            let mut noise = random.u64(..);
            for sample in chunk {
                let grain = u8::try_from(noise & 7).unwrap_or(0);
                noise >>= 8;
                let seen = if dark { *sample / 10 + 14 } else { *sample };
                *sample = seen.saturating_add(grain).saturating_sub(3).max(16);
            }
        }
        if dark {
            self.u.fill(128);
            self.v.fill(128);
        }
    }
}

fn bound(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

fn index(place: i32) -> usize {
    usize::try_from(place).unwrap_or(0)
}

impl YUVSource for Canvas {
    fn dimensions(&self) -> (usize, usize) {
        (WIDTH, HEIGHT)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (WIDTH, WIDTH / 2, WIDTH / 2)
    }

    fn y(&self) -> &[u8] {
        &self.y
    }

    fn u(&self) -> &[u8] {
        &self.u
    }

    fn v(&self) -> &[u8] {
        &self.v
    }
}
