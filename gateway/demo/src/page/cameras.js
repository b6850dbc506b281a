"use strict";
// The cameras, as the control room sees them: state, the newest picture, the newest clip. Helpers are in
// page.js.

function makeCamera(camera) {
  const card = element("li", "camera");
  card.id = `camera-${camera.id}`;
  const frame = element("div", "frame");
  const picture = element("img");
  picture.alt = "";
  picture.addEventListener("error", () => {
    // The event was faster than the picture: asked for again with the next snapshot.
    delete picture.dataset.sha256;
    picture.hidden = true;
  });
  const clip = element("video");
  clip.controls = true;
  clip.muted = true;
  clip.playsInline = true;
  clip.hidden = true;
  frame.append(picture, clip, element("p", "blank", words.no_picture));
  const says = element("p", "says");
  says.append(element("b"), element("span", "remark"));
  const hands = element("div", "hands");
  const play = element("button", "play", words.play);
  play.type = "button";
  play.addEventListener("click", () => {
    const shown = clip.hidden;
    clip.hidden = !shown;
    if (shown) clip.play().catch(() => {}); else clip.pause();
    if (latest) cameras(latest);
  });
  hands.append(play);
  if (camera.id === "garage") {
    const cover = element("button", "cover", words.cover);
    cover.type = "button";
    cover.addEventListener("click", () => act(`/api/camera/${cover.dataset.covered === "yes" ? "uncover" : "cover"}`));
    hands.append(cover);
  }
  card.append(frame, element("h3", "", nameOf(camera)), says, element("p", "facts"), hands);
  return card;
}

function cameras(s) {
  const list = byId("camera-list");
  for (const camera of s.cameras) {
    let card = byId(`camera-${camera.id}`);
    if (!card) {
      card = makeCamera(camera);
      list.append(card);
    }
    const say = (node, said) => { if (node.textContent !== said) node.textContent = said; };
    const tampered = camera.flags.filter((flag) => flag !== "lost");
    card.dataset.state = tampered.length > 0 ? "tampered" : camera.state;
    const state = words.camera[camera.state] || camera.state;
    say(card.querySelector(".says b"), tampered.length > 0 ? tampered.map((flag) => words.tampered[flag] || flag).join(words.comma) : state);
    say(card.querySelector(".remark"), camera.covered && tampered.length === 0 ? words.really_covered : "");
    const [picture, clip] = [card.querySelector("img"), card.querySelector("video")];
    const playing = !clip.hidden;
    if (camera.picture && picture.dataset.sha256 !== camera.picture.sha256) {
      picture.dataset.sha256 = camera.picture.sha256;
      picture.src = `/api/picture/${camera.picture.sha256}`;
      picture.alt = words.picture_of(nameOf(camera));
      picture.hidden = false;
    }
    if (camera.clip && clip.dataset.name !== camera.clip && !playing) {
      clip.dataset.name = camera.clip;
      clip.src = `/api/clip/${camera.clip}`;
    }
    picture.style.visibility = playing ? "hidden" : "";
    card.querySelector(".blank").hidden = Boolean(camera.picture) || playing;
    const facts = [];
    if (camera.picture) {
      facts.push(words.taken(new Date(camera.picture.utc).toLocaleTimeString("en-GB")));
      if (camera.picture.masked) facts.push(words.masked);
    }
    say(card.querySelector(".facts"), facts.join(" · "));
    const play = card.querySelector(".play");
    play.disabled = !camera.clip;
    say(play, playing ? words.stop : words.play);
    const cover = card.querySelector(".cover");
    if (cover) {
      cover.dataset.covered = camera.covered ? "yes" : "no";
      say(cover, camera.covered ? words.uncover : words.cover);
    }
  }
}
