// The paintings to choose from.

/** Fill `strip` with a card for each style of the catalogue; `choose(style)` is called for the one
 * that is chosen. */
export function showStyles(strip, styles, choose) {
  styles.forEach((style, number) => {
    const card = document.createElement('label');
    card.className = 'card';
    card.title = [style.title, style.painter, style.year].filter(Boolean).join(', '); // which may be cut
    const input = Object.assign(document.createElement('input'), {
      type: 'radio', name: 'style', value: style.name, checked: number === 0,
    });
    input.addEventListener('change', () => choose(style));
    const image = Object.assign(document.createElement('img'), {
      src: style.swatch, alt: '', width: 192, height: 120, loading: 'lazy',
    });
    const title = Object.assign(document.createElement('strong'), { textContent: style.title });
    const by = Object.assign(document.createElement('small'), {
      textContent: [style.painter, style.year].filter(Boolean).join(', '),
    });
    card.append(input, image, title, by);
    strip.append(card);
  });
}

/** Mark the card of the style that is in use. */
export function markStyle(strip, { name }) {
  for (const input of strip.querySelectorAll('input')) input.checked = input.value === name;
}
