/* What pages do without the server: links within the board, the slider over a picture, light and dark, sorting. */
(function () {
  const inside = (href) => href && href.startsWith("/") && !href.startsWith("//") && !/^\/(api|download|picture|healthz)/.test(href);

  function go(href) {
    if (!document.getElementById("react-entry-point")) { window.location.href = href; return; }
    window.history.pushState({}, "", href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }
  window.boardGo = go;

  document.addEventListener("click", (event) => {
    if (event.target.closest("#scheme")) { window.boardScheme(); return; }
    const heading = event.target.closest("th button");
    if (heading) { sort(heading.parentElement); return; }
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const href = link.getAttribute("href");
    if (inside(href) && document.getElementById("react-entry-point")) { event.preventDefault(); go(href); }
  });

  document.addEventListener("input", (event) => {
    const figure = event.target.type === "range" && event.target.closest(".pair");
    if (figure) figure.style.setProperty("--cut", event.target.value + "%");
  });

  /* plain tables of the static board: a heading sorts, and says so */
  function sort(th) {
    const body = th.closest("table").tBodies[0];
    const at = [...th.parentElement.children].indexOf(th);
    const down = th.getAttribute("aria-sort") === "ascending";
    for (const other of th.parentElement.children) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.children[at].dataset.value ?? row.children[at].textContent;
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      const [n, m] = [parseFloat(x), parseFloat(y)];
      if (isNaN(n) !== isNaN(m)) return isNaN(n) ? 1 : -1;
      return (down ? -1 : 1) * (isNaN(n) ? x.localeCompare(y) : n - m);
    };
    [...body.rows].sort(order).forEach((row) => body.append(row));
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-go]")) window.location.href = event.target.value;
  });

  function plots() {
    for (const place of document.querySelectorAll("[data-plot]")) {
      const plot = JSON.parse(place.dataset.plot);
      window.Plotly.newPlot(place, plot.data, plot.layout, plot.config);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (window.Plotly && document.querySelector("[data-plot]")) plots();
    const root = document.getElementById("react-entry-point");
    if (!root) return;
    let title = "";
    new MutationObserver(() => {
      for (const place of document.querySelectorAll(".wipe:empty")) {
        const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, value: 50 });
        slider.setAttribute("aria-label", place.dataset.label);
        place.append(slider);
      }
      const head = document.querySelector("main h1");
      if (head && head.textContent !== title) {
        const first = !title;
        title = head.textContent;
        document.title = title;
        if (!first) head.focus({ preventScroll: true });
        const here = document.querySelector(".menu a[aria-current]");
        if (here) here.closest(".menu").scrollLeft = here.offsetLeft - 40;
      }
    }).observe(root, { childList: true, subtree: true, characterData: true });
    setInterval(async () => {
      const foot = document.querySelector("footer[data-version]");
      if (!foot || document.hidden) return;
      const said = await fetch("/healthz").then((r) => r.json()).catch(() => null);
      const news = document.getElementById("news");
      if (said && news) news.hidden = said.version === foot.dataset.version;
    }, 15000);
  });

  /* dash-ag-grid: how numbers are written and ordered, and links */
  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  functions.boardNumber = (value, spread, digits, shown) => {
    if (shown !== null && shown !== undefined) return shown;
    if (value === null || value === undefined) return "–";
    const said = Number(value).toFixed(digits);
    return spread === null || spread === undefined ? said : `${said} ± ${Number(spread).toFixed(digits)}`;
  };
  functions.boardBeats = (share) =>
    share === null || share === undefined ? null : `better than the row below in ${(100 * share).toFixed(1)} % of the draws`;
  functions.boardOrder = (a, b, x, y, down) => {
    const none = (v) => v === null || v === undefined;
    if (none(a) || none(b)) return none(a) === none(b) ? 0 : none(a) === !down ? 1 : -1;
    return a - b;
  };
  /* the grid's state goes into the address and into the links to its files */
  functions.boardState = (params, grid) => {
    const filter = params.api.getFilterModel();
    const sorted = params.api.getColumnState().find((column) => column.sort);
    const set = (words) => {
      if (Object.keys(filter).length) words.set("filter", JSON.stringify(filter)); else words.delete("filter");
      if (sorted) words.set("sort", `${sorted.colId}:${sorted.sort}`); else words.delete("sort");
    };
    if (grid === "rows") {
      const address = new URL(window.location);
      set(address.searchParams);
      window.history.replaceState(window.history.state, "", address);
    }
    chips(params, grid);
    for (const link of document.querySelectorAll(`a.file[data-grid="${CSS.escape(grid)}"]`)) {
      const to = new URL(link.href, window.location);
      set(to.searchParams);
      link.setAttribute("href", to.pathname + to.search);
    }
  };
  /* on a phone nothing but the rank is held at the left, and scores come before what a row's words are */
  functions.boardColumns = (params) => {
    if (window.innerWidth >= 640 || !params.api.getColumn("method")?.isPinned()) return;
    params.api.setColumnsPinned(["method"], null);
    const last = params.api.getAllGridColumns().length - 1;
    for (const name of ["variant", "seeds"]) if (params.api.getColumn(name)) params.api.moveColumns([name], last);
  };
  /* each filter is a button that takes it away again */
  function chips(params, grid) {
    const place = document.querySelector(`.chips[data-grid="${CSS.escape(grid)}"]`);
    if (!place) return;
    const filter = params.api.getFilterModel();
    place.replaceChildren(...Object.keys(filter).map((name) => {
      const one = filter[name];
      const said = one.conditions ? "several conditions" : `${one.type} ${one.filter ?? ""}${one.filterTo ? ` to ${one.filterTo}` : ""}`;
      const chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = `${params.api.getColumnDef(name)?.headerName ?? name}: ${said} ✕`;
      chip.setAttribute("aria-label", `Remove the filter ${name}: ${said}`);
      chip.addEventListener("click", () => {
        const left = { ...params.api.getFilterModel() };
        delete left[name];
        params.api.setFilterModel(left);
      });
      return chip;
    }));
  }

  const components = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  components.BoardLink = (props) => {
    const href = props.data[props.href];
    const said = props.valueFormatted || props.value;
    return href && href.startsWith("/") ? React.createElement("a", { href }, said) : said;
  };

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    board: {
      pick: (value, id) => {
        const here = window.location.pathname + window.location.search;
        const fired = window.dash_clientside.callback_context.triggered.length;
        if (fired && value && value !== here && document.querySelector("main")) go(value);
        return window.dash_clientside.no_update;
      },
      click: (point) => {
        const href = point && point.points && point.points[0].customdata;
        if (inside(String(href || ""))) go(String(href));
        return window.dash_clientside.no_update;
      },
    },
  });
})();
