//! What the cameras see: a yard with people-like shapes, and the inside of the garage. Nobody in them
//! is anybody.

use super::canvas::{Canvas, Colour, HEIGHT, WIDTH};

/// Which place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Yard,
    Garage,
}

/// What happens there at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Somebody has climbed the fence.
    pub(crate) burglar: bool,
    /// Something is before the lens of the garage's camera.
    pub(crate) covered: bool,
    /// Nobody walks any more.
    pub(crate) quiet: bool,
}

const SKY: Colour = (170, 140, 118);
const GRASS: Colour = (96, 112, 122);
const PATH: Colour = (150, 122, 134);
const WALL: Colour = (132, 118, 142);
const WINDOW: Colour = (206, 108, 138);
const FENCE: Colour = (70, 126, 130);
const CONCRETE: Colour = (104, 128, 128);
const PILLAR: Colour = (134, 126, 130);
const CAR: Colour = (82, 142, 112);
const LINE: Colour = (190, 120, 132);
const COATS: [Colour; 3] = [(60, 150, 116), (78, 112, 160), (52, 124, 132)];
const BURGLAR: Colour = (26, 128, 128);
const SKIN: Colour = (150, 110, 150);

/// Somebody on the way: begins every so many seconds, walks so fast, on this line.
struct Walk {
    every_s: f64,
    first_s: f64,
    speed: f64,
    foot: i32,
    size: i32,
}

const WALKS: [Walk; 3] = [
    Walk { every_s: 31.0, first_s: 6.0, speed: 62.0, foot: 300, size: 30 },
    Walk { every_s: 47.0, first_s: 19.0, speed: -54.0, foot: 318, size: 34 },
    Walk { every_s: 73.0, first_s: 40.0, speed: 80.0, foot: 250, size: 22 },
];

/// What stands there, whoever comes.
pub(super) fn background(place: Place) -> Canvas {
    let (width, height) = (640, 360);
    match place {
        Place::Yard => {
            let mut canvas = Canvas::new(SKY);
            canvas.rectangle((0, 150, width, height), GRASS);
            canvas.rectangle((0, 236, width, 326), PATH);
            canvas.rectangle((0, 50, 210, 214), WALL);
            for column in 0..3 {
                canvas.rectangle((22 + column * 62, 78, 58 + column * 62, 124), WINDOW);
            }
            // The neighbour's house: nobody's business, and under the mask.
            canvas.rectangle((452, 20, width, 158), (120, 128, 136));
            canvas.rectangle((486, 48, 532, 104), WINDOW);
            canvas.rectangle((566, 48, 612, 104), WINDOW);
            for post in 0..22 {
                canvas.rectangle((210 + post * 20, 158, 214 + post * 20, 214), FENCE);
            }
            canvas.rectangle((210, 168, width, 172), FENCE);
            canvas.rectangle((210, 198, width, 202), FENCE);
            canvas
        }
        Place::Garage => {
            let mut canvas = Canvas::new(CONCRETE);
            canvas.rectangle((0, 0, width, 70), (84, 128, 128));
            canvas.rectangle((0, 70, width, 76), LINE);
            for bay in 0..4 {
                canvas.rectangle((30 + bay * 160, 180, 36 + bay * 160, height), LINE);
            }
            for pillar in 0..3 {
                canvas.rectangle((128 + pillar * 180, 30, 158 + pillar * 180, 250), PILLAR);
            }
            canvas.ellipse((120, 262), (66, 38), CAR);
            canvas.rectangle((54, 262, 186, 300), CAR);
            canvas.ellipse((450, 262), (66, 38), (120, 120, 150));
            canvas.rectangle((384, 262, 516, 300), (120, 120, 150));
            for wheel in [84, 156, 414, 486] {
                canvas.ellipse((wheel, 300), (14, 14), (34, 128, 128));
            }
            canvas
        }
    }
}

/// The place at a second of the demo.
pub(super) fn draw(background: &Canvas, place: Place, second: f64, stage: Stage) -> Canvas {
    let mut canvas = background.clone();
    if place == Place::Yard {
        // The neighbour's evening, which no picture of ours shows.
        let lit = second.rem_euclid(6.0) < 3.0;
        canvas.rectangle((486, 48, 532, 104), if lit { (230, 100, 140) } else { (60, 128, 128) });
    }
    if !stage.quiet && place == Place::Yard {
        for (walk, coat) in WALKS.iter().zip(COATS) {
            let way = (second - walk.first_s).rem_euclid(walk.every_s) * walk.speed.abs();
            let span = f64::from(walk.size) + 640.0;
            if second >= walk.first_s && way < span + f64::from(walk.size) {
                let x = if walk.speed > 0.0 { way - f64::from(walk.size) } else { span - way };
                person(&mut canvas, whole(x), walk.foot, walk.size, coat, second);
            }
        }
    }
    if stage.burglar && place == Place::Yard {
        let x = 600.0 - (second * 70.0).rem_euclid(420.0);
        person(&mut canvas, whole(x), 226, 26, BURGLAR, second * 1.6);
    }
    canvas
}

/// A head, a body and two legs that swing.
fn person(canvas: &mut Canvas, x: i32, foot: i32, size: i32, coat: Colour, second: f64) {
    let swing = whole((second * 9.0).sin() * f64::from(size) * 0.28);
    let hip = foot - size;
    for side in [swing, -swing] {
        let width = (size / 7).max(2);
        canvas.paint((x - size, hip, x + size, foot), (40, 128, 128), |column, row| {
            let along = f64::from(row - hip) / f64::from(size.max(1));
            (column - x - whole(f64::from(side) * along)).abs() <= width
        });
    }
    canvas.ellipse((x, hip - size / 2), (size * 2 / 5, size * 3 / 4), coat);
    canvas.ellipse((x, hip - size * 3 / 2), (size / 3, size / 3), SKIN);
}

#[expect(clippy::cast_possible_truncation, reason = "pixels of a small picture")]
fn whole(x: f64) -> i32 {
    x.round() as i32
}

const _: () = assert!(WIDTH == 640 && HEIGHT == 360, "the places are drawn for this size");
