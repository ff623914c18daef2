// The page works without this; it only saves reloading. What is marked data-live is fetched anew when the server says that
// something changed, and the events of a run are appended as they happen.
"use strict";

async function refresh() {
  const page = await fetch(location.href, { headers: { "X-Refresh": "1" } });
  if (!page.ok) return;
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    // Who is typing is not interrupted.
    if (!next || part.contains(document.activeElement) && document.activeElement.matches("input")) continue;
    if (next.innerHTML !== part.innerHTML) {
      part.innerHTML = next.innerHTML;
      part.classList.remove("fresh");
      void part.offsetWidth;
      part.classList.add("fresh");
    }
  }
}

const follow = document.querySelector("[data-follow]");
if (follow) {
  const source = new EventSource(follow.dataset.follow);
  const list = follow.querySelector("ol");
  source.addEventListener("changed", refresh);
  source.addEventListener("run", (event) => {
    const { time, says, fresh } = JSON.parse(event.data);
    if (fresh) list.replaceChildren();
    const line = document.createElement("li");
    const when = document.createElement("span");
    when.className = "mono soft";
    when.textContent = time + "  ";
    line.append(when, says);
    line.className = "fresh";
    list.append(line);
    follow.querySelector("[data-empty]")?.remove();
  });
}

// While one aims at an incident the server opens it, so that it is there when it is asked for.
const opened = new Set();
for (const aim of ["pointerover", "focusin"]) {
  document.addEventListener(aim, (event) => {
    const incident = event.target.closest?.("a")?.pathname?.match(/^\/incidents\/[0-9.]+$/)?.[0];
    if (incident && !opened.has(incident)) {
      opened.add(incident);
      fetch(incident + "/open").catch(() => opened.delete(incident));
    }
  });
}

// A filter takes effect as soon as it is chosen.
for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
