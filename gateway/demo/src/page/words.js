"use strict";
// Every word of the page, in English and Chinese. Functions take numbers.

const WORDS = {
  en: {
    title: "Gatehouse: live demo",
    other: "中文",
    skip: "To the doors",
    subtitle: "One building, one box, one control room. Break it, and count.",
    journey: "The way of an event",
    st_door: "Doors", st_door_p: "opened or closed",
    st_journal: "Journal", st_journal_p: "on flash, in the box",
    st_broker: "Broker", st_broker_p: "acknowledged",
    st_room: "Control room", st_room_p: "committed",
    st_receipt: "Receipt", st_receipt_p: "sent back to the box",
    lost: "lost",
    waiting: "on the way",
    duplicates: "duplicates recognised",
    latency: "edge to broker p50 / p99",
    break: "Break it",
    broker_cut: "Cut the broker", broker_cut_p: "SIGKILL; it forgets everything",
    broker_restore: "Restore the broker", broker_restore_p: "starts with an empty memory",
    power_cut: "Cut the box's power", power_cut_p: "SIGKILL; back after two seconds",
    power_back: "The box has no power", power_back_p: "it comes back by itself",
    doors: "Doors, as the control room sees them",
    stream: "Events",
    none: "Nothing yet. The first person is on the way.",
    stored: "stored", acked: "acknowledged", received: "received",
    open: "Open", close: "Close",
    open_door: (name) => `Open ${name}`,
    close_door: (name) => `Close ${name}`,
    state: { open: "open", closed: "closed", "held-open": "held open", unknown: "unknown" },
    wire: { open: "really open", closed: "really closed" },
    tally: (broker, power, dark) => `Cut so far: broker ${broker}×, power ${power}×.` +
      (dark > 0 ? ` ${dark} movements happened with no box to see them; it reports what it finds when it is back.` : ""),
    tags: { replayed: "sent late", while_down: "while dark", resynced: "re-read" },
    dup: (n) => `duplicate ×${n}`,
    banner: {
      starting: () => "Starting: broker, box and control room.",
      calm: () => "All is well. People come and go; every event is written to flash first, then sent, then receipted.",
      broker_down: (s) => s.counts.waiting > 0
        ? `The broker is down. ${plural(s.counts.waiting, "event waits", "events wait")} safely on the box's flash.`
        : "The broker is down. The box goes on recording; nothing waits yet.",
      power_down: () => "The box has no power. Its doors are unknown, never “closed”. What it had stored is on its flash.",
      both_down: (s) => `Broker and box are both down. ${plural(s.counts.waiting, "event waits", "events wait")} on flash.`,
      box_starting: () => "The box starts again: it opens its journal and compares each door with what it last knew.",
      reconnecting: (s) => s.counts.waiting > 0
        ? `Box and control room look for the broker, at growing intervals. ${plural(s.counts.waiting, "event waits", "events wait")} on flash.`
        : "Box and control room look for the broker, at growing intervals.",
      catching_up: (s) => `Catching up: ${plural(s.counts.waiting, "event is", "events are")} on the way to the control room.`,
      draining: (s) => `The building is quiet. Waiting for the last ${plural(s.counts.waiting, "receipt", "receipts")}.`,
      done: (s) => s.counts.lost === 0
        ? `Checked number by number: ${s.counts.stored} stored, ${s.counts.received} received, none lost.`
        : `Checked number by number: ${s.counts.lost} of ${s.counts.stored} are lost.`,
      lost: (s) => `${plural(s.counts.lost, "event is", "events are")} lost. That must not happen; please report it.`,
      gone: () => "The demo has ended, or cannot be reached. Start gatehouse-demo again; this page will come back by itself.",
    },
    failed: (text) => `That did not work: ${text}`,
    what: {
      "door.opened": "opened", "door.closed": "closed", "door.held_open": "held open",
      "door.held_open_ended": "no longer held open", "door.known": "first seen",
      "door.unknown": "unknown", "system.started": "started", "system.stopped": "stopped",
      "system.gap": "gap accounted for", "system.clock_step": "clock stepped",
      "system.time_anchor": "clock set",
    },
    by_state: { open: "open", closed: "closed", "held-open": "held open", unknown: "unknown" },
    box: "The box",
  },
  zh: {
    title: "Gatehouse：现场演示",
    other: "English",
    skip: "跳到门",
    subtitle: "一栋楼、一台网关、一个指挥中心。随便破坏，再来数一数。",
    journey: "一条事件走过的路",
    st_door: "门", st_door_p: "开或关的次数",
    st_journal: "日志", st_journal_p: "已写入网关闪存",
    st_broker: "消息代理", st_broker_p: "已确认",
    st_room: "指挥中心", st_room_p: "已入库",
    st_receipt: "回执", st_receipt_p: "已发回网关",
    lost: "丢失",
    waiting: "在途",
    duplicates: "识别出的重复",
    latency: "动作到代理 p50 / p99",
    break: "来破坏它",
    broker_cut: "切断消息代理", broker_cut_p: "SIGKILL，记忆全部丢失",
    broker_restore: "恢复消息代理", broker_restore_p: "从空白开始",
    power_cut: "切断网关电源", power_cut_p: "SIGKILL，两秒后恢复",
    power_back: "网关已断电", power_back_p: "会自行恢复",
    doors: "指挥中心看到的门",
    stream: "事件",
    none: "还没有事件，第一个人正在路上。",
    stored: "已存储", acked: "已确认", received: "已接收",
    open: "打开", close: "关上",
    open_door: (name) => `打开${name}`,
    close_door: (name) => `关上${name}`,
    state: { open: "开", closed: "关", "held-open": "久未关", unknown: "未知" },
    wire: { open: "实际开着", closed: "实际关着" },
    tally: (broker, power, dark) => `到目前为止：代理切断 ${broker} 次，断电 ${power} 次。` +
      (dark > 0 ? `有 ${dark} 次动作发生时网关没有电；恢复后它会报告所看到的状态。` : ""),
    tags: { replayed: "补发", while_down: "断电期间", resynced: "重新读取" },
    dup: (n) => `重复 ×${n}`,
    banner: {
      starting: () => "正在启动：消息代理、网关、指挥中心。",
      calm: () => "一切正常。人来人往，每条事件都先写入闪存，再发送，再得到回执。",
      broker_down: (s) => s.counts.waiting > 0
        ? `消息代理已断开。${s.counts.waiting} 条事件安全地等在网关的闪存里。`
        : "消息代理已断开。网关照常记录，暂时没有事件在等待。",
      power_down: () => "网关断电了。它的门是“未知”，绝不会显示成“关”。已存储的都在闪存里。",
      both_down: (s) => `消息代理和网关都断了。闪存里有 ${s.counts.waiting} 条事件在等待。`,
      box_starting: () => "网关正在重新启动：打开日志，把每扇门与上次所知的状态比较。",
      reconnecting: (s) => `网关和指挥中心正在寻找消息代理，间隔逐渐拉长。闪存里有 ${s.counts.waiting} 条事件。`,
      catching_up: (s) => `正在补发：${s.counts.waiting} 条事件正在去指挥中心的路上。`,
      draining: (s) => `楼里安静了。还在等最后 ${s.counts.waiting} 条回执。`,
      done: (s) => s.counts.lost === 0
        ? `已逐号核对：存储 ${s.counts.stored} 条，接收 ${s.counts.received} 条，没有丢失。`
        : `已逐号核对：${s.counts.stored} 条中丢失 ${s.counts.lost} 条。`,
      lost: (s) => `丢失了 ${s.counts.lost} 条事件。这不应该发生，请告诉我们。`,
      gone: () => "演示已结束，或者无法连接。请重新运行 gatehouse-demo，本页会自动恢复。",
    },
    failed: (text) => `没有成功：${text}`,
    what: {
      "door.opened": "开门", "door.closed": "关门", "door.held_open": "久未关",
      "door.held_open_ended": "不再久未关", "door.known": "首次看到",
      "door.unknown": "未知", "system.started": "启动", "system.stopped": "停止",
      "system.gap": "缺口已说明", "system.clock_step": "时钟跳变",
      "system.time_anchor": "时钟已校准",
    },
    by_state: { open: "开", closed: "关", "held-open": "久未关", unknown: "未知" },
    box: "网关",
  },
};

function plural(n, one, many) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}
